"""Figure 15: long-tailed data beside CBAL.

    python -m experiments figure_15

Class sizes that fall to a tenth (A.5). Numbers of labels are not given: those of
section 4.1, which CIFAR-100's tail of some 19,600 pictures bears up to 18,000. CBAL
trains by the common recipe.

Cost by arithmetic (`cost`), five seeds: full, 2.1 billion pictures, 6 h of a GPU or 2.3
years of a CPU core; cpu, 6 min of a core on digits, 60 min where pictures are at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 15",
    caption="long-tailed data beside CBAL",
    worlds=(
        World("cifar10", "long_tailed"),
        World("cifar100", "long_tailed"),
    ),
    arms={
        "Random": "random",
        "CBAL": "cbal",
        "Proposed": "gmm",
    },
)
