"""Components: how many Gaussians a class the latents want.

    python -m experiments components

Latents of a first cycle, trained as the paper has it: mixtures of one, two and four
components a class, diagonal and spherical, by EM on shards and on all rows, are fitted
to four fifths of the unlabeled rows; shown is the log-likelihood of the last fifth, and
its difference to the paper's form within seeds. The query itself knows one component a
class only, so this says whether that describes the latents, not what it would ask.

Cost by arithmetic (`cost`), first cycles of five seeds: full, 44.8 million pictures, 7
min of a GPU or 18 days of a CPU core; cpu, 3 min of a core on digits, 6 min where
pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Components",
    caption="how many Gaussians a class the latents want",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Proposed": "gmm",
    },
    shown=("likelihood",),
)
