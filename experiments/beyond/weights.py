"""Weights: the weights of Reg and of DA.

    python -m experiments weights

Table 4 has weights of Reg around the paper's, within a hundred times. Here it is none,
and ten times the largest of them; and DA's is none, and ten times the paper's.
With a weight of none steps and images are the same.

Cost by arithmetic (`cost`), five seeds: full, 7.2 billion pictures, 20 h of a GPU or
8.0 years of a CPU core; cpu, 28 min of a core on digits, 85 min where pictures are at
hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.beyond.arms import BETAS, MORE_ALPHAS, beta
from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Weights",
    caption="the weights of Reg and of DA",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={
        "Proposed": "gmm",
        **{f"Proposed (alpha={value})": arms.alpha(value) for value in MORE_ALPHAS},
        **{f"Proposed (beta={value})": beta(value) for value in BETAS},
    },
    less="Proposed",
)
