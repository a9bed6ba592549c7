"""The query of Agreement-Discrepancy-Selection: rows of which both heads are unsure."""

import jax
import jax.numpy as jnp

from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """Largest mean entropy of the heads, for learners with `mean_entropy`.

    Returns:
      The strategy.

    Source: Fu et al., 2021 (Agreement-Discrepancy-Selection).
    """
    return Strategy("ads", frozenset({"mean_entropy"}), _score)


def _score(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {"mean_entropy": jnp.asarray(view.columns["mean_entropy"])}
