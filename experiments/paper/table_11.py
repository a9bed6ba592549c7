"""Table 11: all methods on imbalanced SVHN.

    python -m experiments table_11

Imbalanced SVHN, ten baselines and the paper's method, all with the paper's recipe. Half
of the classes, those of even number, keep one picture of ten. No mirrored pictures: a
mirrored digit is no digit. SVHN's own sizes of classes stay beneath the ratio of ten.

Cost by arithmetic (`cost`), five seeds: full, 1.9 billion pictures, 5 h of a GPU or 2.1
years of a CPU core; cpu, 19 min of a core on digits, 19 min where pictures are at hand.

The paper's numbers: `values.curve` of table 11. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 11",
    caption="all methods on imbalanced SVHN",
    worlds=(World("svhn_cropped", "imbalanced"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(11,),
)
