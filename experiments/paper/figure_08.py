"""Figure 8: the scores on a map of the latents.

The same map four times, colored by each of the three scores and by their sum of ranks.

Not built yet: rows keep no latents and no scores of what is not chosen.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 8",
    caption="the scores on a map of the latents",
    worlds=(World("cifar10"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("latents",),
)
