"""Unseen classes: how soon queries find classes without a label.

    python -m experiments unseen_classes

The first labels lack three classes of ten (A.4, whose Figure 14 has the accuracies of
the same rows). Shown: the share of each query that is of classes without a label before
it, and after how many queries all classes have one; by the labels that were bought.

Cost by arithmetic (`cost`), five seeds: full, 1.4 billion pictures, 4 h of a GPU or 1.6
years of a CPU core; cpu, 14 min of a core on digits, 33 min where pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Unseen classes",
    caption="how soon queries find classes without a label",
    worlds=(World("cifar10", "mismatch"),),
    arms=arms.DRAWN,
    shown=("unseen_share",),
    less="Random",
)
