"""Figure 12: Reg, DA and AS, one after another.

    python -m experiments figure_12

Ablation: cross-entropy, Reg, Reg with DA, all three at random labels, and with the
paper's query (`Proposed`, the figure's Reg + DA + AS). The text names no data set:
CIFAR-10, balanced and imbalanced, is our reading. Tables 5 and 9 print the first and
the last arm.

Cost by arithmetic (`cost`), five seeds: full, 4.2 billion pictures, 12 h of a GPU or
4.7 years of a CPU core; cpu, 19 min of a core on digits, 53 min where pictures are at
hand.

The paper's numbers: `values.curve` of table 5, 9. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 12",
    caption="Reg, DA and AS, one after another",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random",
        "Reg": "random / reg",
        "Reg + DA": "random / reg_da",
        "Proposed": "gmm",
    },
    tables=(5, 9),
)
