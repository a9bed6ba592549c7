"""Minor classes: how much queries ask of minor classes.

    python -m experiments minor_classes

A.5 says that I_Like raises the chances of minor classes; Figure 11b draws the entropy
of the labeled classes. Shown: the share of each query that is of classes smaller than
the mean one, by the labels that were bought, and that entropy. Those classes are an
eleventh of the imbalanced pool.

Cost by arithmetic (`cost`), five seeds: full, 1.6 billion pictures, 5 h of a GPU or 1.8
years of a CPU core; cpu, 11 min of a core on digits, 28 min where pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Minor classes",
    caption="how much queries ask of minor classes",
    worlds=(
        World("cifar10", "imbalanced"),
        World("cifar10", "long_tailed"),
    ),
    arms={
        "Random": "random",
        "CBAL": "cbal",
        "Proposed": "gmm",
    },
    shown=("minor_share", "labeled_class_entropy"),
    less="Random",
)
