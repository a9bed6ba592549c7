"""Table 8: all methods on balanced FashionMNIST.

    python -m experiments table_08

Balanced FashionMNIST, ten baselines and the paper's method, all with the paper's
recipe.

Cost by arithmetic (`cost`), five seeds: full, 1.5 billion pictures, 4 h of a GPU or 1.6
years of a CPU core; cpu, 19 min of a core on digits, 36 min where pictures are at hand.

The paper's numbers: `values.curve` of table 8. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 8",
    caption="all methods on balanced FashionMNIST",
    worlds=(World("fashion_mnist"),),
    arms=arms.BASELINES,
    pairs=arms.AGAINST,
    tables=(8,),
)
