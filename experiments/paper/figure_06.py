"""Figure 6: likelihoods on a map of the latents.

    python -m experiments figure_06

The same map three times, colored by the log-likelihood under the labeled mixture, under
the unlabeled one, and by their difference. CIFAR-10 is our reading.

Cost by arithmetic (`cost`), first cycles of one seed: full, 4.6 million pictures, 46 s
of a GPU or 44 h of a CPU core; cpu, 65 s of a core on digits, 83 s where pictures are
at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
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
    seen=("Proposed",),
    panels=(
        "log_likelihood_labeled",
        "log_likelihood_unlabeled",
        "likelihood_ratio",
    ),
)
