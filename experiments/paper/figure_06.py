"""Figure 6: likelihoods on a map of the latents.

The same map three times, colored by the likelihood under the labeled mixture, under the
unlabeled one, and by their ratio.

Not built yet: rows keep no latents and no scores of what is not chosen.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 6",
    caption="likelihoods on a map of the latents",
    worlds=(World("cifar10"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("latents",),
)
