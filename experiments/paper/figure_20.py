"""Figure 20: what methods choose, on a map of the latents.

Twenty choices of several methods on one map: the latents of a network that was trained
on 2,000 random labels of imbalanced CIFAR-10 (A.10).

Not built yet: rows keep no latents and no scores of what is not chosen.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 20",
    caption="what methods choose, on a map of the latents",
    worlds=(World("cifar10", "imbalanced"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("latents",),
)
