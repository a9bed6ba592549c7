"""Table 6: all methods on balanced CIFAR-100.

    python -m experiments table_06

Balanced CIFAR-100, ten baselines and the paper's method, all with the paper's recipe.
Labels go from 2,000 to 20,000.

Cost by arithmetic (`cost`), five seeds: full, 3.3 billion pictures, 9 h of a GPU or 3.6
years of a CPU core; cpu, 19 min of a core on digits, 88 min where pictures are at hand.

The paper's numbers: `values.curve` of table 6. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 6",
    caption="all methods on balanced CIFAR-100",
    worlds=(World("cifar100"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(6,),
)
