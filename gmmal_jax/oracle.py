"""Who answers a query: true labels live here and nowhere else."""

from collections.abc import Callable

import numpy as np

Oracle = Callable[[np.ndarray], np.ndarray]
"""int [b] pool rows -> int32 [b] classes."""


def simulated(labels: np.ndarray) -> Oracle:
    """An oracle that knows the benchmark's labels.

    Args:
      labels: int [n], one a pool row.
    """
    hidden = np.array(labels, np.int32)

    def answer(indices: np.ndarray) -> np.ndarray:
        classes: np.ndarray = hidden[indices]
        return classes

    return answer
