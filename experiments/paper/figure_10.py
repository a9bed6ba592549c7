"""Figure 10: learning curves on imbalanced data sets.

    python -m experiments figure_10

Tables 9 to 12 without CoreSet, VAAL and LL4AL: the same rows.

Cost by arithmetic (`cost`), five seeds: full, 6.4 billion pictures, 18 h of a GPU or
7.1 years of a CPU core; cpu, 14 min of a core on digits, 2 h where pictures are at
hand.

The paper's numbers: `values.curve` of table 9, 10, 11, 12. Ours: `python -m experiments
status` and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 10",
    caption="learning curves on imbalanced data sets",
    worlds=(
        World("cifar10", "imbalanced"),
        World("cifar100", "imbalanced"),
        World("svhn_cropped", "imbalanced"),
        World("fashion_mnist", "imbalanced"),
    ),
    arms=arms.DRAWN,
    tables=(9, 10, 11, 12),
)
