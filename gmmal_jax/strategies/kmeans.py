"""k-means: one row of each cluster of the pool."""

import jax
import numpy as np

from gmmal_jax import selection
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """As many clusters of the candidates as labels are asked, and a row of each.

    k-means++ and Lloyd's steps on raw latents; the row nearest to the centroid among
    those of its cluster. Labeled rows play no part. Rows are chosen together: there is
    no score.

    Returns:
      The strategy.

    Source: the k-means baseline of Ash et al., 2020 (arXiv:1906.03671).
    """
    select = Selector(frozenset({"latents"}), _select)
    return Strategy("kmeans", frozenset(), select=select)


def _select(key: Key, view: PoolView, total: np.ndarray, ask: Ask) -> jax.Array:
    del total
    candidates = view.candidates
    rows: jax.Array = selection.representatives_of(
        view.team, key, view.columns["latents"], candidates, candidates,
        ids=view.ids, k=ask.budget,
    )  # fmt: skip
    return rows
