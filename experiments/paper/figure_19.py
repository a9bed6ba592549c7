"""Figure 19: a larger data set.

    python -m experiments figure_19

TinyImageNet with ResNet-18 by the one-cycle schedule in mixed precision (A.7). Labels
are not given: 4,000 to 40,000, as many a class as for CIFAR-100. Baselines are those of
Figure 9.

Cost by arithmetic (`cost`), five seeds: full, 19.0 billion pictures, 2 days of a GPU or
21.1 years of a CPU core; cpu, 14 min of a core on digits, 74 min where pictures are at
hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 19",
    caption="a larger data set",
    worlds=(World("tiny_imagenet", "balanced", recipe="onecycle"),),
    arms=arms.DRAWN,
)
