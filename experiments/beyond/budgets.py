"""Budgets: another start, and other sizes of query.

    python -m experiments budgets

The paper starts from as many labels as it then buys in each query. Here it starts from
half of them; or it buys half of them twice as often, or three times of them a third as
often, which ends with as many labels.

Cost by arithmetic (`cost`), five seeds: full, 3.3 billion pictures, 9 h of a GPU or 3.7
years of a CPU core; cpu, 18 min of a core on digits, 48 min where pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Budgets",
    caption="another start, and other sizes of query",
    worlds=(
        World("cifar10"),
        World("cifar10", recipe="half_start"),
        World("cifar10", recipe="half_query"),
        World("cifar10", recipe="triple_query"),
    ),
    arms={
        "Random": "random",
        "Proposed": "gmm",
    },
    less="Random",
)
