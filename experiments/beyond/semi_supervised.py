"""Semi-supervised training: random choice and gmm with FixMatch.

    python -m experiments semi_supervised

DA learns from unlabeled images, too, so what is asked of it is what it gains over a
training that is known for that. FixMatch trains the network; for the paper's query a
critic is trained beside it and moves nothing of it. Steps and labeled batches are those
of cross-entropy; each labeled image has seven unlabeled ones beside it (cpu: two).

Cost by arithmetic (`cost`), five seeds: full, 3.5 billion pictures, 10 h of a GPU or
3.9 years of a CPU core; cpu, 19 min of a core on digits, 52 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Semi-supervised training",
    caption="random choice and gmm with FixMatch",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random",
        "Random, FixMatch": "random / fixmatch",
        "gmm, FixMatch": "gmm / fixmatch",
        "Proposed": "gmm",
    },
    less="Random, FixMatch",
)
