"""k-means: one row of each cluster of the pool."""

import functools

import jax
import jax.numpy as jnp
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
    rows: jax.Array = _pick(
        key, view.columns["latents"], view.candidates, view.ids, budget=ask.budget
    )
    return rows


@functools.partial(jax.jit, static_argnames="budget")
def _pick(
    key: Key, latents: jax.Array, candidates: jax.Array, ids: jax.Array, *, budget: int
) -> jax.Array:
    k_order, k_start = jax.random.split(key)
    finite = jnp.isfinite(latents).all(axis=1)
    order = selection.random_order(k_order, candidates, finite, ids)
    mask = (candidates & finite)[order]
    points = jnp.where(mask[:, None], latents[order], 0.0)
    # Products of rows far from the origin would round their distances.
    points -= jnp.mean(points, axis=0, where=mask[:, None])[None, :]
    start = selection.far_start(k_start, points, mask, num_clusters=budget)
    found = selection.lloyd(points, mask, start, budget)
    nearest = selection.first_of_cluster(found, mask, budget, "centroid")
    # Empty clusters have none: the first rows of the random order stand in.
    taken = jnp.zeros(mask.size, bool).at[nearest].set(True, mode="drop")
    places = jnp.argsort(~taken, stable=True)[:budget]
    rows: jax.Array = order[places]
    return rows
