"""Figure 20: what methods choose, on maps of the latents.

    python -m experiments figure_20

Twenty choices of four methods after 2,000 random labels of imbalanced CIFAR-10 (A.10).
All learn by cross-entropy with the same random numbers, so that they choose from the
same latents, up to rounding; the paper's query has a critic that is trained beside the
network. Each has a map of its own.

Cost by arithmetic (`cost`), first cycles of one seed: full, 3.6 million pictures, 36 s
of a GPU or 35 h of a CPU core; cpu, 4 min of a core on digits, 4 min where pictures are
at hand.

The paper's numbers: none are printed, only drawn. Ours: `python -m experiments status`
and the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 20",
    caption="what methods choose, on maps of the latents",
    worlds=(World("cifar10", "imbalanced", "twenty"),),
    arms={
        "Snapshot-AL": "snapshot",
        "CoreSet": "coreset",
        "CoreGCN": "core_gcn",
        "Proposed": "gmm / ce",
    },
    shown=("latents",),
    seen=("Snapshot-AL", "CoreSet", "CoreGCN", "Proposed"),
    panels=("chosen",),
)
