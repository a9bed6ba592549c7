"""Figure 5: what the critic is sure of, with and without mixtures.

    python -m experiments figure_05

Mean entropy of the critic's outputs over the pool and test accuracy, with a critic that
sees the mixtures' columns and with one that sees latents alone. The paper says CIFAR-10
and no more.

Cost by arithmetic (`cost`), five seeds: full, 1.4 billion pictures, 4 h of a GPU or 1.6
years of a CPU core; cpu, 6 min of a core on digits, 17 min where pictures are at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 5",
    caption="what the critic is sure of, with and without mixtures",
    worlds=(World("cifar10"),),
    arms={
        "with mixtures": "gmm",
        "latents alone": arms.LATENTS_ONLY,
    },
    shown=("critic_entropy", "accuracy"),
)
