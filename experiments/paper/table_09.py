"""Table 9: all methods on imbalanced CIFAR-10.

    python -m experiments table_09

Imbalanced CIFAR-10, ten baselines and the paper's method, all with the paper's recipe.
Half of the classes, those of even number, keep one picture of ten.

Cost by arithmetic (`cost`), five seeds: full, 1.9 billion pictures, 5 h of a GPU or 2.1
years of a CPU core; cpu, 19 min of a core on digits, 42 min where pictures are at hand.

The paper's numbers: `values.curve` of table 9. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 9",
    caption="all methods on imbalanced CIFAR-10",
    worlds=(World("cifar10", "imbalanced"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(9,),
)
