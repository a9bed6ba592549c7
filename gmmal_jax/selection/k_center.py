"""Greedy k-center: rows that leave no row of the pool far from a chosen one."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax import numerics, shares
from gmmal_jax.selection.ranks import top_k
from gmmal_jax.types import Key, Team

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
    return _greedy(prepare(key, points, centers, mask, ids), k, None)


def k_center_of(
    team: Team | None,
    key: Key,
    points: Float[Array, "n d"],
    centers: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """`k_center_greedy` by a team, each of whose devices measures some of the points.

    Args:
      team: the devices, of points on the host; None, and for few points: one device.
      key: as there, like the others.
      points: [n, d].
      centers: [n].
      mask: [n].
      k: static.
      ids: [n].
    """
    sharing = shares.worth(team, points)
    if sharing is None:
        found: jax.Array = k_center_greedy(key, points, centers, mask, k, ids=ids)
        return found
    order = np.asarray(_jitted_order(key, mask, ids))
    # Rows that fill up are like rows that are not finite.
    rows = shares.placed(sharing, points, order, fill=np.nan)
    lists = (np.asarray(centers)[order], np.asarray(mask)[order])
    picks: jax.Array
    picks = shares.run(sharing, _of_share, (rows, *lists), order, k=k)
    return picks


def _of_share(
    rows: tuple[jax.Array, ...], order: jax.Array, *, axis: str | None, k: int
) -> jax.Array:
    points, centers, free = rows
    return _greedy(_measured(order, points, centers, free, axis), k, axis)


def _greedy(prepared: "Prepared", k: int, axis: str | None) -> jax.Array:
    order, points, squares, gaps, free = prepared
    everyone = shares.num(free, axis)

    def pick_some(carry: _Picks) -> _Picks:
        picks, count, gaps, free = carry
        places, fresh = _block(points, squares, gaps, free, axis)
        fresh &= count + jnp.cumsum(fresh) <= k
        # Beyond the picks, the first one again: no row gets nearer by it.
        to_picks = squared_gaps_to(
            points, squares, jnp.where(fresh, places, places[0]), axis
        )
        slots = jnp.where(fresh, count + jnp.cumsum(fresh) - 1, k)
        picks = picks.at[slots].set(order[places], mode="drop")
        taken = shares.own(jnp.where(fresh, places, everyone), free, axis)
        free = free.at[taken].set(False, mode="drop")
        return picks, count + fresh.sum(), jnp.minimum(gaps, to_picks.min(axis=1)), free

    begin = (jnp.zeros(k, jnp.int32), jnp.zeros((), jnp.int32), gaps, free)
    picked: jax.Array = jax.lax.while_loop(lambda c: c[1] < k, pick_some, begin)[0]
    return picked


class Prepared(NamedTuple):
    """Rows in a random order, masked-in ones first, where the first of equals is any.

    Attributes:
      order: [n], where they come from.
      points: [n, d], centered; those that are not finite stand where zeros do.
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
    order = _order(key, mask, ids)
    points, centers = jnp.asarray(points)[order], jnp.asarray(centers)[order]
    free = jnp.arange(points.shape[0]) < jnp.sum(mask)
    return _measured(order, points, centers, free, None)


def _order(key: Key, mask: Array, ids: Array) -> jax.Array:
    """All rows [n], the masked-in ones first, at random."""
    order: jax.Array
    order = top_k(key, jnp.zeros(ids.shape[0]), mask, ids.shape[0], ids=ids)
    return order


_jitted_order = jax.jit(_order)


def _measured(
    order: jax.Array,
    points: Float[jax.Array, "n d"],
    centers: Bool[jax.Array, " n"],
    free: Bool[jax.Array, " n"],
    axis: str | None,
) -> Prepared:
    """Of rows in that order, or this device's share of them."""
    sound = jnp.all(jnp.isfinite(points), axis=1)
    points = jnp.where(sound[:, None], points, 0.0)
    # Any origin will do; products of rows far from it would round their distances.
    points = points - shares.mean(points, sound, axis)[None, :]
    squares = jnp.sum(points**2, axis=1)
    gaps = jnp.where(sound, _nearest(points, squares, centers & sound, axis), -1.0)
    return Prepared(order, points, squares, gaps, free)


def _block(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    gaps: Float[jax.Array, " n"],
    free: Bool[jax.Array, " n"],
    axis: str | None,
) -> tuple[Int[jax.Array, " b"], Bool[jax.Array, " b"]]:
    """The next picks, as far as the rows with the largest gaps tell them.

    Among these all distances are known. One of them is the next pick as long as what
    is left of its gap is no smaller than any gap outside, which may have shrunk since.

    Returns:
      Places [b] in the order of the picks, and which of them are picks, the first.
    """
    total = shares.num(gaps, axis)
    size = min(_BLOCK, total)
    known = jnp.where(free, gaps, -jnp.inf)
    largest, places = shares.top_k(known, min(size + 1, total), axis)
    everything = size == total
    outside = jnp.where(everything, -jnp.inf, largest[-1])
    rival = jnp.where(everything, total, places[-1])
    # In the order of places, so that the first of equal gaps is the first of all.
    places = jnp.sort(places[:size])
    near, lengths = (shares.at(values, places, axis) for values in (points, squares))
    both = lengths[:, None] + lengths[None, :]
    between = numerics.squared_gaps(both, numerics.matmul(near, near.T))

    def take(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        left, found, fresh = carry
        best = jnp.argmax(left)
        gap = left[best]
        sure = (gap > outside) | ((gap == outside) & (places[best] < rival))
        fresh = fresh.at[i].set(sure & (gap > -jnp.inf) & ((i == 0) | fresh[i - 1]))
        left = jnp.minimum(left, between[best]).at[best].set(-jnp.inf)
        return left, found.at[i].set(places[best]), fresh

    left = shares.at(known, places, axis)
    begin = (left, jnp.zeros_like(places), jnp.zeros(size, bool))
    _, found, fresh = jax.lax.fori_loop(0, size, take, begin)
    return found, fresh


def _nearest(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    centers: Bool[jax.Array, " n"],
    axis: str | None,
) -> Float[jax.Array, " n"]:
    """Squared distance of each row to its nearest center; inf where there is none."""
    centers = shares.joined(centers, axis)
    num_centers = jnp.sum(centers)
    places = jnp.argsort(~centers, stable=True)
    offsets = jnp.arange(_BLOCK)

    def block(i: jax.Array, gaps: jax.Array) -> jax.Array:
        # Beyond the last center, the first one again: no row gets nearer by it.
        numbers = i * _BLOCK + offsets
        rows = places[jnp.where(numbers < num_centers, numbers, 0)]
        to_rows = squared_gaps_to(points, squares, rows, axis)
        return jnp.minimum(gaps, to_rows.min(axis=1))

    start = jnp.full(points.shape[0], jnp.inf, points.dtype)
    gaps: jax.Array = jax.lax.fori_loop(0, -(-num_centers // _BLOCK), block, start)
    return gaps


def squared_gaps_to(
    points: Float[jax.Array, "n d"],
    squares: Float[jax.Array, " n"],
    rows: Int[jax.Array, " r"],
    axis: str | None = None,
) -> Float[jax.Array, "n r"]:
    """Squared distances of all rows, or a device's share, to some of all."""
    both = squares[:, None] + shares.at(squares, rows, axis)[None, :]
    to = shares.at(points, rows, axis)
    return numerics.squared_gaps(both, numerics.matmul(points, to.T))
