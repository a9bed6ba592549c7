"""Table 12: all methods on imbalanced FashionMNIST.

    python -m experiments table_12

Imbalanced FashionMNIST, ten baselines and the paper's method, all with the paper's
recipe. Half of the classes, those of even number, keep one picture of ten. Six thousand
a major class; `--preset paper_code` of `gmmal run` has the five thousand of public code
whose logs match some of these rows.

Cost by arithmetic (`cost`), five seeds: full, 1.4 billion pictures, 4 h of a GPU or 1.6
years of a CPU core; cpu, 19 min of a core on digits, 35 min where pictures are at hand.

The paper's numbers: `values.curve` of table 12. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 12",
    caption="all methods on imbalanced FashionMNIST",
    worlds=(World("fashion_mnist", "imbalanced"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(12,),
)
