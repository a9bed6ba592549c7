"""CoreSet: rows that together cover the pool."""

import jax
import numpy as np

from gmmal_jax import selection
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """Rows far from all that is labeled and from one another: greedy k-center.

    Each row is the candidate whose latents are farthest from the nearest labeled or
    chosen ones. Rows are chosen together: there is no score, and --select.diversity
    has nothing to replace.

    Returns:
      The strategy.

    Source: Sener and Savarese, 2018 (arXiv:1708.00489), its greedy algorithm, which all
    comparisons use; raw latents, Euclidean distance.
    """
    select = Selector(frozenset({"latents"}), _select)
    return Strategy("coreset", frozenset(), select=select)


def _select(key: Key, view: PoolView, total: np.ndarray, ask: Ask) -> jax.Array:
    del total
    rows: jax.Array = selection.k_center_of(
        view.team, key, view.columns["latents"], view.labeled, view.candidates,
        ask.budget, ids=view.ids,
    )  # fmt: skip
    return rows
