"""Rows drawn far from one another, as k-means++ draws them, many to a reading."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax import devices, shares
from gmmal_jax.types import Key

_BLOCK = 64
"""Rows that are proposed at a time, and whose distances to all others are held."""


class _Drawn(NamedTuple):
    """What is drawn so far: places [k], their number, distances and rows left, [n]."""

    picks: jax.Array
    number: jax.Array
    nearest: jax.Array
    free: jax.Array


def far_draws(
    key: Key,
    mask: Bool[Array | np.ndarray, " n"],
    squares_to: Callable[[jax.Array], Float[jax.Array, "n b"]],
    first: Int[Array, ""],
    k: int,
    axis: str | None = None,
) -> Int[jax.Array, " k"]:
    """Draw k rows, each with odds of its squared distance to those before it.

    The odds are exact, and still the distances of all rows are formed once for some
    dozens of draws: rows are proposed by the odds as they were at the last reading,
    which have only become smaller since, and each is taken with the share that is left
    of its own.

    Args:
      key: of the draws; `first` comes without one.
      mask: [n], rows that may be drawn, at least k; here and below those of one device,
        where an axis has several.
      squares_to: squared distances [n, b] of all rows to those at some places [b];
        traced. Not finite: the row is drawn when no other is left.
      first: the first row, a place among all.
      k: static.
      axis: devices that hold a share of the rows each; None: there is one.

    Returns:
      int32 [k], distinct places. Rows that lie on others, or are not finite, follow in
      their order once nothing else is left.

    Source: k-means++ (Arthur and Vassilvitskii, 2007); the rejection is ours.
    """
    total = shares.num(jnp.asarray(mask), axis)
    size = min(_BLOCK, total)
    to_first = squares_to(jnp.full(size, first))[:, 0]
    sound = mask & jnp.isfinite(to_first)
    here = shares.own(first, to_first, axis)
    begin = _Drawn(
        jnp.zeros(k, jnp.int32).at[0].set(first),
        jnp.ones((), jnp.int32),
        jnp.where(sound, to_first, 0.0).at[here].set(0.0),
        jnp.asarray(mask).at[here].set(False),
    )

    def draw(state: _Drawn) -> _Drawn:
        k_where, k_take = jax.random.split(jax.random.fold_in(key, state.number))
        ends, end = shares.running(state.nearest, axis)
        points = jax.random.uniform(k_where, (size,)) * end
        # Among all rows a point lies behind those that it lies behind on each device.
        behind = devices.total(jnp.searchsorted(ends, points, side="right"), axis)
        proposed = jnp.minimum(behind, total - 1)
        exhausted = ~(end > 0)
        # The first rows left, where all that are left lie on rows already drawn.
        left = shares.top_k(state.free.astype(jnp.float32), size, axis)[1]
        places = jnp.where(exhausted, left, proposed)
        squares = squares_to(places)
        odds = shares.at(state.nearest, places, axis)
        accepted = _accepted(
            shares.at(squares, places, axis),
            jax.random.uniform(k_take, (size,)) * odds,
        )
        free = shares.at(state.free, places, axis)
        taken = jnp.where(exhausted, free, accepted & (odds > 0))
        taken &= state.number + jnp.cumsum(taken) <= k
        slots = jnp.where(taken, state.number + jnp.cumsum(taken) - 1, k)
        away = shares.own(jnp.where(taken, places, total), ends, axis)
        nearest = jnp.where(taken[None, :], squares, jnp.inf).min(axis=1)
        nearest = jnp.minimum(
            state.nearest, jnp.where(jnp.isnan(nearest), 0.0, nearest)
        )
        return _Drawn(
            state.picks.at[slots].set(places, mode="drop"),
            state.number + taken.sum(dtype=jnp.int32),
            nearest.at[away].set(0.0, mode="drop"),
            state.free.at[away].set(False, mode="drop"),
        )

    drawn = jax.lax.while_loop(lambda state: state.number < k, draw, begin)
    return drawn.picks


def _accepted(
    between: Float[jax.Array, "b b"], thresholds: Float[jax.Array, " b"]
) -> Bool[jax.Array, " b"]:
    """Which proposals [b] are still farther than their thresholds from those taken."""

    def decide(i: jax.Array, carry: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        nearest, taken = carry
        take = nearest[i] > thresholds[i]
        nearest = jnp.where(take, jnp.minimum(nearest, between[:, i]), nearest)
        return nearest, taken.at[i].set(take)

    begin = (jnp.full(thresholds.size, jnp.inf), jnp.zeros(thresholds.size, bool))
    # A row proposed twice is at no distance from itself.
    between = jnp.where(jnp.isfinite(between), between, 0.0)
    taken: jax.Array = jax.lax.fori_loop(0, thresholds.size, decide, begin)[1]
    return taken
