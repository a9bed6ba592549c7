"""Quotas: what class quotas do for gmm and for random choice.

    python -m experiments quotas

The paper's query gives each predicted class as many seats, and spreads a class's best
rows over clusters. Here it does without the seats, and random choice has them. All are
trained alike, with Reg and DA.

Cost by arithmetic (`cost`), five seeds: full, 5.8 billion pictures, 16 h of a GPU or
6.4 years of a CPU core; cpu, 23 min of a core on digits, 68 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Quotas",
    caption="what class quotas do for gmm and for random choice",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random, Reg + DA": "random / reg_da",
        "Random with quotas, Reg + DA": "random / reg_da, quotas",
        "gmm without quotas": "gmm, no quotas",
        "Proposed": "gmm",
    },
    shown=("accuracy", "labeled_class_entropy"),
    less="Random, Reg + DA",
    pairs=(
        ("Proposed", "gmm without quotas"),
        ("Proposed", "Random with quotas, Reg + DA"),
    ),
)
