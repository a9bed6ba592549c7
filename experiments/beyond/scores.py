"""Scores: each score, each pair, another weight and another fusion.

    python -m experiments scores

Figure 13 on imbalanced data, too; I_Like, which is the paper's own, counted twice
beside the others; and ranks multiplied in place of added. All differ from the paper's
query in this alone.

Cost by arithmetic (`cost`), five seeds: full, 12.9 billion pictures, 36 h of a GPU or
14.4 years of a CPU core; cpu, 51 min of a core on digits, 3 h where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.figure_13 import NAMED
from experiments.paper.worlds import World

ALL = " + ".join(NAMED.values())
"""The paper's query."""
EXPERIMENT = Experiment(
    title="Scores",
    caption="each score, each pair, another weight and another fusion",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        " + ".join(NAMED[score] for score in subset): arms.scored(subset)
        for subset in arms.SUBSETS
    }
    | {
        f"{ALL}, I_Like twice": "gmm, likelihood_ratio twice",
        f"{ALL}, product of ranks": "gmm, rank product",
    },
    less=ALL,
)
