"""One row of each cluster of the rows that qualify."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.selection.blocks import centered_rows
from gmmal_jax.selection.k_means import far_start, first_of_cluster, lloyd
from gmmal_jax.selection.ranks import random_order
from gmmal_jax.selection.sizes import sizes
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_SMALL = 1024
"""Rows so few that clustering them costs less than compiling for fewer."""
_SIZES = 3
"""To compile for at most: each takes some 80 MB."""


@functools.partial(jax.jit, static_argnames="k")
def representatives(
    key: Key,
    points: Float[Array, "n d"],
    eligible: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    ids: UInt32[Array, " n"],
    k: int,
) -> Int[jax.Array, " k"]:
    """The rows nearest to the centroids of k clusters of the eligible rows.

    Clusters are those of k-means, from a k-means++ start. Where they are fewer than k,
    as rows are few or coincide, other rows follow at random: eligible ones, then any.
    The work goes with the number of eligible rows, by a few sizes compiled for.

    Args:
      key: of the start, and of the order of rows that stand in.
      points: [n, d].
      eligible: [n], rows to cluster; those that are masked out or not finite are not.
      mask: [n], rows that may be chosen, at least k.
      ids: [n], distinct; permuting rows permutes the answer.
      k: static.

    Returns:
      int32 [k], distinct masked-in rows. Rows that are not finite come last.
    """
    k_order, k_start = jax.random.split(key)
    finite = jnp.isfinite(points).all(axis=1)
    eligible = jnp.asarray(eligible) & mask & finite
    # Eligible rows first, then the finite ones, then the others, each at random.
    order = random_order(k_order, mask, finite, ids)
    order = order[jnp.argsort(~eligible[order], stable=True)]
    number = eligible.sum()

    def cluster(size: int) -> Callable[[], jax.Array]:
        def run() -> jax.Array:
            inside = jnp.arange(size) < number
            # Products of rows far from the origin would round their distances.
            rows = centered_rows(jnp.asarray(points), order[:size], inside)
            start = far_start(k_start, rows, inside, num_clusters=k)
            found = lloyd(rows, inside, start, jnp.minimum(k, number))
            first = first_of_cluster(found, inside, k, "centroid")
            return jnp.where(first < size, first, order.size)

        return run

    steps = sizes(max(k, _SMALL), order.size, _SIZES)
    branch = jnp.searchsorted(jnp.array(steps), number)
    nearest = jax.lax.switch(branch, [cluster(size) for size in steps])
    taken = jnp.zeros(order.size, bool).at[nearest].set(True, mode="drop")
    places = jnp.argsort(~taken, stable=True)[:k]
    chosen: jax.Array = order[places]
    return chosen
