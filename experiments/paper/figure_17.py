"""Figure 17: mixtures in the discriminators of others.

    python -m experiments figure_17

TA-VAAL and WAAL, whose discriminators see the mixtures' columns or do not: accuracy,
and the entropy of the discriminator's outputs (A.6). Table 5 prints the accuracies of
the two plain ones.

Cost by arithmetic (`cost`), five seeds: full, 0.8 billion pictures, 2 h of a GPU or 0.8
years of a CPU core; cpu, 7 min of a core on digits, 17 min where pictures are at hand.

The paper's numbers: `values.curve` of table 5. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Figure 17",
    caption="mixtures in the discriminators of others",
    worlds=(World("cifar10"),),
    arms={
        "TA-VAAL": "ta_vaal",
        "TA-VAAL + mixtures": "ta_vaal with gmm",
        "WAAL": "waal",
        "WAAL + mixtures": "waal with gmm",
    },
    shown=("accuracy", "critic_entropy"),
    tables=(5,),
)
