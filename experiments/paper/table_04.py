"""Table 4: the weight of Reg.

    python -m experiments table_04

Balanced CIFAR-10, five weights of Reg's loss. The third is the paper's own: it is Table
5's `Proposed`, and its rows are; the paper prints another first cell there (58.98) than
here (60.64).

Cost by arithmetic (`cost`), five seeds: full, 3.6 billion pictures, 10 h of a GPU or
4.0 years of a CPU core; cpu, 14 min of a core on digits, 43 min where pictures are at
hand.

The paper's numbers: `values.curve` of table 4. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper import arms
from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 4",
    caption="the weight of Reg",
    worlds=(World("cifar10"),),
    arms={f"Proposed (alpha={value})": arms.alpha(value) for value in arms.ALPHAS},
    tables=(4,),
)
