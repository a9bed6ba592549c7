"""Greedy k-center that minds the predicted classes of what it picks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.selection.k_center import prepare, squared_gaps_to
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_LAST = 3e38
"""Of rows that broke down: behind all others, before those that may not be picked."""
_Picks = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


@functools.partial(jax.jit, static_argnames="k")
def balanced_k_center(
    key: Key,
    points: Float[Array, "n d"],
    centers: Bool[Array, " n"],
    mask: Bool[Array, " n"],
    shares: Float[Array, "n c"],
    target: Float[Array, " c"],
    weight: Float[Array, ""] | float,
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """Pick k times the masked-in row of least -gap + weight / c * imbalance.

    The gap is the Euclidean distance to the nearest center or pick, the imbalance
    sum_c |target_c - shares of the picks and of the row|. Where there is no center, the
    first gaps count as 0.

    Args:
      key: decides between equal rows.
      points: [n, d].
      centers: [n], rows that count as picked.
      mask: [n], rows that may be picked, at least k.
      shares: [n, c], of classes; rows that are not finite here or in `points` are
        picked last.
      target: [c].
      weight: traced.
      k: static. Masks are values, so that growing centers compile nothing.
      ids: [n], distinct; permuting rows permutes the answer.

    Returns:
      int32 [k], distinct rows in the order of the picks.

    Source: Bengar et al., 2022 (arXiv:2110.04543), the greedy variant.
    """
    finite = jnp.isfinite(shares).all(axis=1)
    points = jnp.where(finite[:, None], points, jnp.nan)
    order, points, squares, gaps, free = prepare(key, points, centers, mask, ids)
    shares = jnp.where(finite[:, None], shares, 0.0)[order]
    sound = gaps >= 0

    def pick(i: jax.Array, carry: _Picks) -> _Picks:
        picks, gaps, free, missing = carry
        imbalance = jnp.sum(jnp.abs(missing[None, :] - shares), axis=1)
        away = jnp.where(jnp.isfinite(gaps), jnp.sqrt(jnp.maximum(gaps, 0.0)), 0.0)
        value = -away + weight / missing.size * imbalance
        value = jnp.where(sound, value, _LAST)
        place = jnp.argmin(jnp.where(free, value, jnp.inf))
        to_pick = squared_gaps_to(points, squares, place[None])[:, 0]
        return (
            picks.at[i].set(order[place]),
            jnp.where(sound[place], jnp.minimum(gaps, to_pick), gaps),
            free.at[place].set(False),
            missing - shares[place],
        )

    begin = (jnp.zeros(k, jnp.int32), gaps, free, target)
    picks: jax.Array = jax.lax.fori_loop(0, k, pick, begin)[0]
    return picks
