"""Figure 11: how even the labeled classes are.

    python -m experiments figure_11

Its part b, entropy of the classes' shares among the labels on imbalanced CIFAR-10: a
column of Table 9's rows. Part a, a map of the
latents after a first cycle, is one seed's.

Cost by arithmetic (`cost`), five seeds: full, 1.4 billion pictures, 4 h of a GPU or 1.6
years of a CPU core; cpu, 14 min of a core on digits, 33 min where pictures are at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 11",
    caption="how even the labeled classes are",
    worlds=(World("cifar10", "imbalanced"),),
    arms=arms.DRAWN,
    shown=("labeled_class_entropy",),
    seen=("Proposed",),
    panels=("class", "group"),
)
