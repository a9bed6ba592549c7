"""Queries: what the paper's query gains over common ones at equal training.

    python -m experiments queries

The paper's tables give each query its own training. Here random choice, entropy,
margin, BADGE and the paper's query choose for networks that are all trained with Reg
and DA. CIFAR-10, balanced and imbalanced.

Cost by arithmetic (`cost`), five seeds: full, 7.2 billion pictures, 20 h of a GPU or
8.0 years of a CPU core; cpu, 28 min of a core on digits, 85 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.beyond.arms import COMMON
from experiments.paper.arms import pair
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Queries",
    caption="what the paper's query gains over common ones at equal training",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random / reg_da",
        **{name: pair(query, "reg_da") for name, query in COMMON.items()},
        "Proposed": "gmm",
    },
    less="Random",
    pairs=tuple(("Proposed", name) for name in COMMON),
)
