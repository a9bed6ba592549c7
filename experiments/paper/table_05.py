"""Table 5: all methods on balanced CIFAR-10.

    python -m experiments table_05

Balanced CIFAR-10, ten baselines and the paper's method, all with the paper's recipe.

Cost by arithmetic (`cost`), five seeds: full, 1.9 billion pictures, 5 h of a GPU or 2.1
years of a CPU core; cpu, 19 min of a core on digits, 43 min where pictures are at hand.

The paper's numbers: `values.curve` of table 5. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 5",
    caption="all methods on balanced CIFAR-10",
    worlds=(World("cifar10"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(5,),
)
