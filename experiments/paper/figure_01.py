"""Figure 1: labeled and unlabeled latents after the first cycle.

A map (t-SNE) of the latents of CIFAR-10, labeled and not, of a network that was trained
on 1,000 labels.

Not built yet: rows keep no latents and no scores of what is not chosen.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 1",
    caption="labeled and unlabeled latents after the first cycle",
    worlds=(World("cifar10"),),
    arms={
        "Random": "random",
    },
    shown=("latents",),
)
