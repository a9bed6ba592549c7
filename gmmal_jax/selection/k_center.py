"""Greedy k-center: rows that leave no row of the pool far from a chosen one."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax import numerics
from gmmal_jax.selection.ranks import top_k
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_BLOCK = 64
"""Rows whose distances to all others are held at a time."""
_Picks = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


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

    A pick is a center from then on. Gaps only shrink, so of the rows with the largest
    ones many picks are known from the distances among them alone (`_block`), and the
    points are read once for all of these. Distances are Euclidean, in float32 by exact
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
    order, points, squares, gaps, free = prepare(key, points, centers, mask, ids)

    def pick_some(carry: _Picks) -> _Picks:
        picks, count, gaps, free = carry
        places, fresh = _block(points, squares, gaps, free)
        fresh &= count + jnp.cumsum(fresh) <= k
        # Beyond the picks, the first one again: no row gets nearer by it.
        to_picks = squared_gaps_to(points, squares, jnp.where(fresh, places, places[0]))
        slots = jnp.where(fresh, count + jnp.cumsum(fresh) - 1, k)
        picks = picks.at[slots].set(order[places], mode="drop")
        free = free.at[jnp.where(fresh, places, free.size)].set(False, mode="drop")
        return picks, count + fresh.sum(), jnp.minimum(gaps, to_picks.min(axis=1)), free

    begin = (jnp.zeros(k, jnp.int32), jnp.zeros((), jnp.int32), gaps, free)
    picked: jax.Array = jax.lax.while_loop(lambda c: c[1] < k, pick_some, begin)[0]
    return picked


class Prepared(NamedTuple):
    """Rows in a random order, masked-in ones first, where the first of equals is any.

    Attributes:
      order: [n], where they come from.
      points: [n, d], centered; those that are not finite lie in the center.
      squares: [n], of their lengths.
      gaps: [n], squared distance to the nearest center; inf where there is none, -1 of
        rows that are not finite.
      free: [n], rows that may be picked.
    """

    order: jax.Array
    points: jax.Array
    squares: jax.Array
    gaps: jax.Array
    free: jax.Array


def prepare(
    key: Key,
    points: Float[Array, "n d"],
    centers: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    ids: UInt32[Array, " n"],
) -> Prepared:
    """What greedy picks start from; arguments are those of `k_center_greedy`."""
    order = top_k(key, jnp.zeros(points.shape[0]), mask, points.shape[0], ids=ids)
    points, centers = jnp.asarray(points)[order], jnp.asarray(centers)[order]
    sound = jnp.all(jnp.isfinite(points), axis=1)
    points = jnp.where(sound[:, None], points, 0.0)
    # Any origin will do; products of rows far from it would round their distances.
    points = points - jnp.mean(points, axis=0, where=sound[:, None])[None, :]
    squares = jnp.sum(points**2, axis=1)
    gaps = jnp.where(sound, _nearest(points, squares, centers & sound), -1.0)
    free = jnp.arange(points.shape[0]) < jnp.sum(mask)
    return Prepared(order, points, squares, gaps, free)


def _block(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    gaps: Float[jax.Array, " n"],
    free: Bool[jax.Array, " n"],
) -> tuple[Int[jax.Array, " b"], Bool[jax.Array, " b"]]:
    """The next picks, as far as the rows with the largest gaps tell them.

    Among these all distances are known. One of them is the next pick as long as what
    is left of its gap is no smaller than any gap outside, which may have shrunk since.

    Returns:
      Places [b] in the order of the picks, and which of them are picks, the first.
    """
    size = min(_BLOCK, gaps.size)
    known = jnp.where(free, gaps, -jnp.inf)
    largest, places = jax.lax.top_k(known, min(size + 1, gaps.size))
    everything = size == gaps.size
    outside = jnp.where(everything, -jnp.inf, largest[-1])
    rival = jnp.where(everything, gaps.size, places[-1])
    # In the order of places, so that the first of equal gaps is the first of all.
    places = jnp.sort(places[:size])
    near = points[places]
    both = squares[places][:, None] + squares[places][None, :]
    between = numerics.squared_gaps(both, numerics.matmul(near, near.T))

    def take(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        left, found, fresh = carry
        best = jnp.argmax(left)
        gap = left[best]
        sure = (gap > outside) | ((gap == outside) & (places[best] < rival))
        fresh = fresh.at[i].set(sure & (gap > -jnp.inf) & ((i == 0) | fresh[i - 1]))
        left = jnp.minimum(left, between[best]).at[best].set(-jnp.inf)
        return left, found.at[i].set(places[best]), fresh

    left = known[places]
    begin = (left, jnp.zeros_like(places), jnp.zeros(size, bool))
    _, found, fresh = jax.lax.fori_loop(0, size, take, begin)
    return found, fresh


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
        return jnp.minimum(gaps, squared_gaps_to(points, squares, rows).min(axis=1))

    start = jnp.full(points.shape[0], jnp.inf, points.dtype)
    gaps: jax.Array = jax.lax.fori_loop(0, -(-num_centers // _BLOCK), block, start)
    return gaps


def squared_gaps_to(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    rows: Int[jax.Array, " r"],
) -> Float[jax.Array, "n r"]:
    """Squared distances of all rows to some of them."""
    both = squares[:, None] + squares[rows][None, :]
    return numerics.squared_gaps(both, numerics.matmul(points, points[rows].T))
