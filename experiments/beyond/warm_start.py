"""Warm start: networks that go on from the cycle before.

    python -m experiments warm_start

The paper trains a new network in each cycle. Here that of the cycle before is trained
on (`--train.init continue`), by as many steps.

Cost by arithmetic (`cost`), five seeds: full, 3.1 billion pictures, 9 h of a GPU or 3.4
years of a CPU core; cpu, 17 min of a core on digits, 46 min where pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Warm start",
    caption="networks that go on from the cycle before",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random",
        "Random, continued": "random, continued",
        "Proposed": "gmm",
        "Proposed, continued": "gmm, continued",
    },
    less="Random",
    pairs=(("Proposed, continued", "Proposed"),),
)
