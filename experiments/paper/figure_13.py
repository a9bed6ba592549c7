"""Figure 13: which of the three scores are needed.

    python -m experiments figure_13

Gain over random choice of every subset of the three scores; all three are the paper's
method. CIFAR-10 is our reading.

Cost by arithmetic (`cost`), five seeds: full, 5.1 billion pictures, 14 h of a GPU or
5.7 years of a CPU core; cpu, 21 min of a core on digits, 63 min where pictures are at
hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

NAMED = dict(zip(arms.SCORES, ("I_Like", "I_Dis", "I_Ent"), strict=True))
"""Scores, as the paper calls them."""
EXPERIMENT = Experiment(
    title="Figure 13",
    caption="which of the three scores are needed",
    worlds=(World("cifar10"),),
    arms={"Random": "random"}
    | {
        " + ".join(NAMED[score] for score in subset): arms.scored(subset)
        for subset in arms.SUBSETS
    },
    less="Random",
)
