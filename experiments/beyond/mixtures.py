"""Mixtures: spherical components, and EM on the whole pool.

    python -m experiments mixtures

The paper's mixtures have diagonal covariances, and that of the pool is an average of
fits to its shards. Here one variance serves all dimensions of a component, in Reg's
mixtures, too; and EM sees the pool at once. `components` has the likelihoods.

Cost by arithmetic (`cost`), five seeds: full, 4.3 billion pictures, 12 h of a GPU or
4.8 years of a CPU core; cpu, 17 min of a core on digits, 51 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Mixtures",
    caption="spherical components, and EM on the whole pool",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Proposed": "gmm",
        "Proposed, spherical": "gmm, spherical",
        "Proposed, exact EM": "gmm, exact EM",
    },
    less="Proposed",
)
