"""Controls: what DA adds to as many steps and images.

    python -m experiments controls

DA goes on training after stage 1, and the pool passes BatchNorm while it does. So Reg
with DA stands beside Reg of as many steps on labeled batches alone (`longer`), and of
as many steps and images with the adversarial term at weight 0 (`pool forward`);
cross-entropy of as many steps is `longer` with Reg at weight 0. Once these rows exist,
every page that shows DA in a world of theirs has its control beside it.

Cost by arithmetic (`cost`), five seeds: full, 9.7 billion pictures, 27 h of a GPU or
10.8 years of a CPU core; cpu, 41 min of a core on digits, 2 h where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.beyond import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Controls",
    caption="what DA adds to as many steps and images",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Random": "random",
        "Random, longer": "random / ce longer",
        "Reg": "random / reg",
        "Reg, longer": "random / reg_longer",
        "Reg, pool forward": "random / pool forward",
        "Reg + DA": "random / reg_da",
        "Proposed, DA at weight 0": arms.beta("0"),
        "Proposed": "gmm",
    },
    pairs=(
        ("Random, longer", "Random"),
        ("Reg", "Random"),
        ("Reg, longer", "Random, longer"),
        ("Reg, pool forward", "Reg, longer"),
        ("Reg + DA", "Reg, pool forward"),
        ("Proposed", "Proposed, DA at weight 0"),
    ),
)
