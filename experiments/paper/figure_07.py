"""Figure 7: how hard the rows are that each score wants most.

    python -m experiments figure_07

Mean cross-entropy, by true labels, of the 5,000 unlabeled rows that each of the three
scores puts first, cycle by cycle, and that of all unlabeled rows. Elsewhere than on
the paper's pool as large a share of the rows that are unlabeled at first is looked at.
One seed is run for it; CIFAR-10 is our reading.

Cost by arithmetic (`cost`), all cycles of one seed: full, 144.7 million pictures, 24
min of a GPU or 59 days of a CPU core; cpu, 82 s of a core on digits, 3 min where
pictures are at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 7",
    caption="how hard the rows are that each score wants most",
    worlds=(World("cifar10"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("hardness",),
    seen=("Proposed",),
)
