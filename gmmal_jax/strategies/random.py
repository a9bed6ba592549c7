"""Random sampling, the reference every strategy is compared with."""

import jax
import numpy as np

from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """Candidates drawn uniformly, without replacement.

    Returns:
      The strategy; it reads no column.
    """
    return Strategy("random", frozenset(), _score)


def _score(key: Key, view: PoolView) -> dict[str, jax.Array]:
    """One uniform number a row, addressed by the row's id."""

    def draw(row: jax.Array | np.ndarray) -> jax.Array:
        return jax.random.uniform(jax.random.fold_in(key, row))

    return {"random": jax.vmap(draw)(view.ids)}
