"""Who chooses: the function that turns a pool into the rows of one query."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from gmmal_jax.config import SelectConfig
from gmmal_jax.types import Key, PoolView

Array = jax.Array | np.ndarray


class Ask(NamedTuple):
    """What is wanted of a query.

    Attributes:
      budget: rows to choose; the same in every cycle of a run.
      num_classes: c.
      options: settings of the batch constructions.
    """

    budget: int
    num_classes: int
    options: SelectConfig


class Selector(NamedTuple):
    """How the rows of a query are chosen; the one function that sees the whole pool.

    Attributes:
      needs: columns of the pool that `select` may read; it sees no others.
      select: (key, view, total, ask) -> int [budget], distinct candidates, most wanted
        first. A host function: whatever it compiles should have shapes of the pool and
        the budget only, so that nothing compiles again while the labeled set grows.
        `total` [n] is what the scores add up to, higher = ask first; zeros where
        the strategy scores no rows. There are at least `budget` candidates.
    """

    needs: frozenset[str]
    select: Callable[[Key, PoolView, np.ndarray, Ask], Array]
