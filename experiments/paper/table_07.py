"""Table 7: all methods on balanced SVHN.

    python -m experiments table_07

Balanced SVHN, ten baselines and the paper's method, all with the paper's recipe. No
mirrored pictures: a mirrored digit is no digit.

Cost by arithmetic (`cost`), five seeds: full, 1.9 billion pictures, 5 h of a GPU or 2.1
years of a CPU core; cpu, 19 min of a core on digits, 19 min where pictures are at hand.

The paper's numbers: `values.curve` of table 7. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 7",
    caption="all methods on balanced SVHN",
    worlds=(World("svhn_cropped"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(7,),
)
