"""Greedy k-center: rows that leave no row of the pool far from a chosen one."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax import numerics
from gmmal_jax.selection.ranks import top_k
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_BLOCK = 64
"""Centers whose distances to all rows are held at a time, before the first pick."""
_Picks = tuple[jax.Array, jax.Array, jax.Array]


@functools.partial(jax.jit, static_argnames="k")
def k_center_greedy(
    key: Key,
    points: Float[Array, "n d"],
    centers: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """Pick k times the masked-in row that is farthest from its nearest center.

    A pick is a center from then on. Distances are Euclidean, in float32 by exact
    products; memory is O(n) a step beside the points. Ties are settled by random
    numbers of the key and the rows' ids: the first pick where there is no center, and
    all that is left once every row lies on a center. Rows that are not finite are no
    centers and are picked last.

    Args:
      key: decides between equal distances.
      points: [n, d].
      centers: [n], rows that count as picked; none, if there are none.
      mask: [n], rows that may be picked, at least k.
      k: static. Masks are values, so that growing centers compile nothing.
      ids: [n], distinct; permuting rows permutes the answer.

    Returns:
      int32 [k], distinct rows in the order of the picks. Their covering radius is at
      most twice the smallest one that k centers can have.

    Source: Gonzalez, 1985; greedy algorithm 1 of Sener and Savarese, 2018
    (arXiv:1708.00489).
    """
    # Masked-in rows first, in a random order: the first of equal ones is a random one.
    order = top_k(key, jnp.zeros(points.shape[0]), mask, points.shape[0], ids=ids)
    points, centers = jnp.asarray(points)[order], jnp.asarray(centers)[order]
    sound = jnp.all(jnp.isfinite(points), axis=1)
    points = jnp.where(sound[:, None], points, 0.0)
    # Any origin will do; products of rows far from it would round their distances.
    points = points - jnp.mean(points, axis=0, where=sound[:, None])[None, :]
    squares = jnp.sum(points**2, axis=1)
    gaps = jnp.where(sound, _nearest(points, squares, centers & sound), -1.0)
    free = jnp.arange(points.shape[0]) < jnp.sum(mask)

    def pick(i: jax.Array, carry: _Picks) -> _Picks:
        picks, gaps, free = carry
        place = jnp.argmax(jnp.where(free, gaps, -jnp.inf))
        to_pick = _squared_gaps(points, squares, place[None])[:, 0]
        gaps = jnp.minimum(gaps, to_pick)
        return picks.at[i].set(order[place]), gaps, free.at[place].set(False)

    picks = jnp.zeros(k, jnp.int32)
    picked: jax.Array = jax.lax.fori_loop(0, k, pick, (picks, gaps, free))[0]
    return picked


def _nearest(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    centers: Bool[jax.Array, " n"],
) -> Float[jax.Array, " n"]:
    """Squared distance of each row to its nearest center; inf where there is none."""
    num_centers = jnp.sum(centers)
    places = jnp.argsort(~centers, stable=True)
    offsets = jnp.arange(_BLOCK)

    def block(i: jax.Array, gaps: jax.Array) -> jax.Array:
        # Beyond the last center, the first one again: no row gets nearer by it.
        numbers = i * _BLOCK + offsets
        rows = places[jnp.where(numbers < num_centers, numbers, 0)]
        return jnp.minimum(gaps, _squared_gaps(points, squares, rows).min(axis=1))

    start = jnp.full(points.shape[0], jnp.inf, points.dtype)
    gaps: jax.Array = jax.lax.fori_loop(0, -(-num_centers // _BLOCK), block, start)
    return gaps


def _squared_gaps(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    rows: Int[jax.Array, " r"],
) -> Float[jax.Array, "n r"]:
    """Squared distances of all rows to some of them."""
    both = squares[:, None] + squares[rows][None, :]
    return numerics.squared_gaps(both, numerics.matmul(points, points[rows].T))
