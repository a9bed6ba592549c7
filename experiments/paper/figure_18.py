"""Figure 18: a larger network.

    python -m experiments figure_18

ResNet-50 by the one-cycle schedule in mixed precision, bf16 here (A.7). Neither data
sets nor baselines are named: CIFAR-10 and CIFAR-100, and those of Figure 9. At cpu
scale the schedule is all that is left of it.

Cost by arithmetic (`cost`), five seeds: full, 9.1 billion pictures, 25 h of a GPU or
10.1 years of a CPU core; cpu, 14 min of a core on digits, 2 h where pictures are at
hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 18",
    caption="a larger network",
    worlds=(
        World("cifar10", "balanced", recipe="resnet50"),
        World("cifar100", "balanced", recipe="resnet50"),
    ),
    arms=arms.DRAWN,
)
