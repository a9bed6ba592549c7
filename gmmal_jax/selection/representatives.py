"""One row of each cluster of the rows that qualify."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax import shares
from gmmal_jax.selection.blocks import centered_rows
from gmmal_jax.selection.k_means import far_start, first_of_cluster, lloyd
from gmmal_jax.selection.ranks import random_order
from gmmal_jax.selection.sizes import sizes
from gmmal_jax.types import Key, Team

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
    order, number = _order(k_order, eligible, mask, finite, ids)

    def cluster(size: int) -> Callable[[], jax.Array]:
        def run() -> jax.Array:
            inside = jnp.arange(size) < number
            # Products of rows far from the origin would round their distances.
            rows = centered_rows(jnp.asarray(points), order[:size], inside)
            first = _nearest(k_start, rows, inside, number, k, None)
            return jnp.where(first < size, first, order.size)

        return run

    steps = _sizes(k, order.size)
    branch = jnp.searchsorted(jnp.array(steps), number)
    nearest = jax.lax.switch(branch, [cluster(size) for size in steps])
    return _with_others(order, nearest, k)


def representatives_of(
    team: Team | None,
    key: Key,
    points: Float[Array, "n d"],
    eligible: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    ids: UInt32[Array, " n"],
    k: int,
) -> Int[jax.Array, " k"]:
    """`representatives` by a team, each of whose devices clusters some of the rows.

    Args:
      team: the devices, of points on the host; None, and for few points: one device.
      key: as there, like the others.
      points: [n, d].
      eligible: [n].
      mask: [n].
      ids: [n].
      k: static.
    """
    sharing = shares.worth(team, points)
    if sharing is None:
        one: jax.Array = representatives(key, points, eligible, mask, ids=ids, k=k)
        return one
    k_order, k_start = jax.random.split(key)
    finite = np.isfinite(points).all(axis=1)
    found = _jitted_order(k_order, eligible, mask, finite, ids)
    order, number = np.asarray(found[0]), int(found[1])
    steps = _sizes(k, order.size)
    size = steps[np.searchsorted(steps, number)]
    rows = shares.placed(sharing, points, order[:size])
    inside = np.arange(size) < number
    first = shares.run(sharing, _of_share, (rows, inside), (k_start, number), k=k)
    nearest = np.where(np.asarray(first) < size, first, order.size)
    chosen: jax.Array = _jitted_with_others(order, nearest, k)
    return chosen


def _of_share(
    rows: tuple[jax.Array, ...],
    alike: tuple[Key, jax.Array],
    *,
    axis: str | None,
    k: int,
) -> jax.Array:
    points, inside = rows
    k_start, number = alike
    points = jnp.where(inside[:, None], points, 0.0)
    points = points - shares.mean(points, inside, axis)[None, :]
    return _nearest(k_start, points, inside, number, k, axis)


def _nearest(
    key: Key,
    rows: jax.Array,
    inside: jax.Array,
    number: jax.Array,
    k: int,
    axis: str | None,
) -> jax.Array:
    """The place nearest to each of k centroids; none: beyond the last one."""
    start = far_start(key, rows, inside, num_clusters=k, axis=axis)
    found = lloyd(rows, inside, start, jnp.minimum(k, number), axis=axis)
    return first_of_cluster(found, inside, k, "centroid", axis)


def _order(
    key: Key, eligible: Array, mask: Array, finite: Array, ids: Array
) -> tuple[jax.Array, jax.Array]:
    """Eligible rows first, then the finite ones, then the others, each at random.

    Returns:
      All rows [n] in this order, and how many are eligible.
    """
    eligible = jnp.asarray(eligible) & mask & finite
    order = random_order(key, mask, finite, ids)
    order = order[jnp.argsort(~eligible[order], stable=True)]
    return order, eligible.sum()


def _sizes(k: int, num_rows: int) -> tuple[int, ...]:
    return sizes(max(k, _SMALL), num_rows, _SIZES)


def _with_others(order: jax.Array, nearest: jax.Array, k: int) -> jax.Array:
    """The rows at some places, and where they are fewer than k the first others."""
    taken = jnp.zeros(order.size, bool).at[nearest].set(True, mode="drop")
    places = jnp.argsort(~taken, stable=True)[:k]
    chosen: jax.Array = order[places]
    return chosen


_jitted_order = jax.jit(_order)
_jitted_with_others = jax.jit(_with_others, static_argnames="k")
