"""Figure 9: learning curves on balanced data sets.

    python -m experiments figure_09

Tables 5 to 8 without CoreSet, VAAL and LL4AL: the same rows.

Cost by arithmetic (`cost`), five seeds: full, 6.5 billion pictures, 18 h of a GPU or
7.2 years of a CPU core; cpu, 14 min of a core on digits, 2 h where pictures are at
hand.

The paper's numbers: `values.curve` of table 5, 6, 7, 8. Ours: `python -m experiments
status` and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 9",
    caption="learning curves on balanced data sets",
    worlds=(
        World("cifar10"),
        World("cifar100"),
        World("svhn_cropped"),
        World("fashion_mnist"),
    ),
    arms=arms.DRAWN,
    tables=(5, 6, 7, 8),
)
