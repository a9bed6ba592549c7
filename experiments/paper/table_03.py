"""Table 3: time of 500 iterations of stage 2.

    python -m experiments table_03

Seconds, not accuracies: what one refit of both mixtures takes of 500 iterations of
stage 2. Measured with Table 2, by one call of `benchmarks/cycle.py`; minutes on either
device.

The paper's numbers: `values.timings()`, table 3. Ours: `python -m experiments status`.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 3",
    caption="time of 500 iterations of stage 2",
    worlds=(World("cifar10"),),
    arms={
        "Proposed": "gmm",
    },
    shown=("timing",),
)
