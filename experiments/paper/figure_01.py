"""Figure 1: labeled and unlabeled latents after the first cycle.

    python -m experiments figure_01

A map (t-SNE) of the latents of CIFAR-10, labeled and not, of a network that was trained
on 1,000 labels.

Cost by arithmetic (`cost`), first cycles of one seed: full, 0.2 million pictures, 2 s
of a GPU or 2 h of a CPU core; cpu, 61 s of a core on digits, 66 s where pictures are at
hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
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
    seen=("Random",),
    panels=("group",),
)
