"""Greedy cover: rows whose balls hold as many rows as possible."""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax import numerics
from gmmal_jax.selection.ranks import random_order
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray
T = TypeVar("T")
_Taking = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]

_MANY = 256
"""Rows whose balls are formed at a time, where there are many."""
_FEW = 16
"""Likewise while picking: a product with so few costs hardly more than with one."""


class _Cover(NamedTuple):
    """What is picked so far.

    Attributes:
      picks: [k], places.
      number: of picks.
      degrees: int32 [n], rows of each ball that are not covered.
      open: [n], rows that are not covered.
      free: [n], rows that may still be picked.
    """

    picks: jax.Array
    number: jax.Array
    degrees: jax.Array
    open: jax.Array
    free: jax.Array


@functools.partial(jax.jit, static_argnames="k")
def greedy_cover(
    key: Key,
    points: Float[Array, "n d"],
    centers: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    squared_radius: Float[Array, ""] | float,
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """Pick k times the masked-in row whose ball holds most rows that none holds yet.

    A ball's degree, the number of rows in it that are not covered, is counted once.
    Whenever rows become covered, only what they contributed is taken off, and each row
    becomes covered once: at most 2 n^2 products of rows in all, beside those of the
    balls of the centers and picks. Memory is O(n) beside the points.

    Args:
      key: decides between equal degrees; by it the rest is picked once all is covered.
      points: [n, d]. Rows that are not finite cover nothing, need not be covered, and
        are picked last.
      centers: [n], rows whose balls are covered at first.
      mask: [n], rows that may be picked, at least k.
      squared_radius: of the closed balls.
      k: static.
      ids: [n], distinct; permuting rows permutes the answer.

    Returns:
      int32 [k], distinct rows in the order of the picks.

    Source: ProbCover (Yehuda et al., 2022, arXiv:2205.11320), algorithm 1.
    """
    sound = jnp.all(jnp.isfinite(points), axis=1)
    # Masked-in rows first, in a random order: the first of equal ones is a random one.
    order = random_order(key, mask, sound, ids)
    sound, centers = sound[order], jnp.asarray(centers)[order]
    points = jnp.where(sound[:, None], jnp.asarray(points)[order], 0.0)
    squares = jnp.sum(points**2, axis=1)

    def balls(places: jax.Array) -> jax.Array:
        """Which rows [n] the balls of some [b] hold."""
        products = numerics.matmul(points, points[places].T)
        both = squares[:, None] + squares[places][None, :]
        near = numerics.squared_gaps(both, products) <= squared_radius
        return near & sound[:, None] & sound[places][None, :]

    def count(rows: jax.Array, size: int) -> jax.Array:
        """How many of some rows [n] each row's ball holds: distance is symmetric."""

        def add(degrees: jax.Array, places: jax.Array, real: jax.Array) -> jax.Array:
            return degrees + jnp.sum(balls(places) & real[None, :], axis=1)

        return _by_blocks(add, jnp.zeros(rows.shape, jnp.int32), rows, size)

    def pick_some(cover: _Cover) -> _Cover:
        picked, open_ = _block(balls, cover, k)
        change = count(cover.open & ~open_, _FEW)
        return picked._replace(degrees=cover.degrees - change, open=open_)

    uncovered = sound & (count(centers, _MANY) == 0)
    begin = _Cover(
        jnp.zeros(k, jnp.int32),
        jnp.zeros((), jnp.int32),
        count(uncovered, _MANY),
        uncovered,
        jnp.arange(order.size) < jnp.sum(mask),
    )
    done = jax.lax.while_loop(lambda cover: cover.number < k, pick_some, begin)
    rows: jax.Array = order[done.picks]
    return rows


def _block(
    balls: Callable[[jax.Array], jax.Array], cover: _Cover, k: int
) -> tuple[_Cover, jax.Array]:
    """The next picks, as far as the balls of highest degree tell them.

    Of these all rows are known. One of them is the next pick as long as no ball outside
    had a higher degree, as degrees only fall.

    Returns:
      The cover with picks, number and free brought up to date, and the rows [n] that
      are not covered then.
    """
    total = cover.free.size
    size = min(_FEW, total)
    known = jnp.where(cover.free, cover.degrees, -1)
    largest, places = jax.lax.top_k(known, min(size + 1, total))
    # In the order of places, so that the first of equal degrees is the first of all.
    outside = jnp.where(size == total, -2, largest[-1])
    rival = jnp.where(size == total, total, places[-1])
    places = jnp.sort(places[:size])
    held = balls(places)

    def gains_of(open_: jax.Array, taken: jax.Array) -> jax.Array:
        gains = jnp.sum(held & open_[:, None], axis=0, dtype=jnp.int32)
        return jnp.where(taken | ~cover.free[places], -1, gains)

    def sure(carry: _Taking) -> jax.Array:
        _, number, _, _, gains = carry
        best = jnp.argmax(gains)
        first = (gains[best] == outside) & (places[best] < rival)
        ahead = (gains[best] > outside) | first
        # The first is the pick in any case, whatever a boundary's rounding says.
        ahead |= number == cover.number
        return ahead & (gains[best] >= 0) & (number < k)

    def take(carry: _Taking) -> _Taking:
        picks, number, open_, taken, gains = carry
        best = jnp.argmax(gains)
        open_ = open_ & ~held[:, best]
        taken = taken.at[best].set(True)
        picks = picks.at[number].set(places[best])
        return picks, number + 1, open_, taken, gains_of(open_, taken)

    none = jnp.zeros(size, bool)
    begin = (cover.picks, cover.number, cover.open, none, gains_of(cover.open, none))
    picks, number, open_, taken, _ = jax.lax.while_loop(sure, take, begin)
    free = cover.free.at[jnp.where(taken, places, total)].set(False, mode="drop")
    return cover._replace(picks=picks, number=number, free=free), open_


def _by_blocks(
    add: Callable[[T, jax.Array, jax.Array], T],
    begin: T,
    rows: Bool[jax.Array, " n"],
    size: int,
) -> T:
    """Fold the masked-in rows, `size` places at a time; `add` gets which are real."""
    places = jnp.nonzero(rows, size=rows.size, fill_value=0)[0]
    number = jnp.sum(rows)
    offsets = jnp.arange(size)

    def visit(i: jax.Array, total: T) -> T:
        at = i * size + offsets
        return add(total, places[jnp.minimum(at, rows.size - 1)], at < number)

    folded: T = jax.lax.fori_loop(0, -(-number // size), visit, begin)
    return folded
