"""Table 10: all methods on imbalanced CIFAR-100.

    python -m experiments table_10

Imbalanced CIFAR-100, ten baselines and the paper's method, all with the paper's recipe.
Half of the classes, those of even number, keep one picture of ten. Labels go from 2,000
to 20,000, of a pool of 27,500.

Cost by arithmetic (`cost`), five seeds: full, 3.3 billion pictures, 9 h of a GPU or 3.6
years of a CPU core; cpu, 19 min of a core on digits, 86 min where pictures are at hand.

The paper's numbers: `values.curve` of table 10. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 10",
    caption="all methods on imbalanced CIFAR-100",
    worlds=(World("cifar100", "imbalanced"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(10,),
)
