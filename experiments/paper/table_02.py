"""Table 2: time of one step of stage 1.

    python -m experiments table_02

Seconds, not accuracies: what drawing X_s, passing it and fitting a mixture to it take
of a supervised step. `benchmarks/cycle.py` measures it, on random pictures of
CIFAR-10's shape, and prints the paper's lines beside ours; a compiled step cannot be
cut where the paper cuts its own. Minutes on either device: on a CPU one step of each
kind is run.

The paper's numbers: `values.timings()`, table 2. Ours: `python -m experiments status`.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 2",
    caption="time of one step of stage 1",
    worlds=(World("cifar10"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("timing",),
)
