"""Figure 14: seven of ten classes among the first labels.

    python -m experiments figure_14

Gain over random choice where the first labels lack three classes of ten (A.4). Which
baselines are drawn is not said: those of Figure 9.

Cost by arithmetic (`cost`), five seeds: full, 3.9 billion pictures, 11 h of a GPU or
4.4 years of a CPU core; cpu, 14 min of a core on digits, 2 h where pictures are at
hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 14",
    caption="seven of ten classes among the first labels",
    worlds=(
        World("cifar10", "mismatch"),
        World("cifar100", "mismatch"),
    ),
    arms=arms.DRAWN,
    less="Random",
)
