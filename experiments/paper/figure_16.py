"""Figure 16: beside ADS.

    python -m experiments figure_16

Agreement-discrepancy-selection and the paper's method (A.6). ADS has a schedule of its
own.

Cost by arithmetic (`cost`), five seeds: full, 3.4 billion pictures, 9 h of a GPU or 3.7
years of a CPU core; cpu, 6 min of a core on digits, 65 min where pictures are at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 16",
    caption="beside ADS",
    worlds=(
        World("cifar10"),
        World("cifar100"),
    ),
    arms={
        "Random": "random",
        "ADS": "ads",
        "Proposed": "gmm",
    },
)
