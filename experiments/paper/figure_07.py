"""Figure 7: how hard the rows are that each score wants most.

Mean cross-entropy, by true labels, of the 5,000 unlabeled rows that each of the three
scores puts first, cycle by cycle.

Not built yet: rows keep no latents and no scores of what is not chosen.
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
    shown=("latents",),
)
