"""Gains: what training gains and what selection gains.

    python -m experiments gains

The paper's main tables compare its training and its query at once with other queries
under cross-entropy. Here one is changed at a time: Reg, and Reg with DA, at random
labels; the paper's query under cross-entropy, with a critic that is trained beside the
network and moves nothing of it; both. CIFAR-10, balanced and imbalanced.

Cost by arithmetic (`cost`), five seeds: full, 4.5 billion pictures, 13 h of a GPU or
5.0 years of a CPU core; cpu, 23 min of a core on digits, 62 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Gains",
    caption="what training gains and what selection gains",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random",
        "Random, Reg": "random / reg",
        "Random, Reg + DA": "random / reg_da",
        "gmm, cross-entropy": "gmm / ce",
        "Proposed": "gmm",
    },
    less="Random",
    pairs=(
        ("Proposed", "Random, Reg + DA"),
        ("Proposed", "gmm, cross-entropy"),
    ),
)
