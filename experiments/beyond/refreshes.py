"""Refreshes: what Reg loses when a subset serves several steps.

    python -m experiments refreshes

The paper draws a class-balanced subset in each step, at ten times the images of the
batch; `experiments.reg_savings` has what sharing one saves. Here is the accuracy with
subsets that serve a step and 50 of them, at random labels, and without Reg. At cpu
scale all other arms with Reg share one between five steps.

Cost by arithmetic (`cost`), five seeds: full, 2.5 billion pictures, 7 h of a GPU or 2.8
years of a CPU core; cpu, 12 min of a core on digits, 32 min where pictures are at hand.

The paper has no numbers of this. Ours: `python -m experiments status` and the pages in
experiments/results.
"""

from experiments.beyond.arms import INTERVALS, refitted
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

NAMED = {steps: f"Reg, a subset for {steps}" for steps in INTERVALS}
"""Steps -> what pages call the arm."""
EXPERIMENT = Experiment(
    title="Refreshes",
    caption="what Reg loses when a subset serves several steps",
    worlds=(
        World("cifar10"),
        World("cifar10", "imbalanced"),
    ),
    arms={NAMED[steps]: refitted(steps) for steps in INTERVALS} | {"Random": "random"},
    less=NAMED[1],
)
