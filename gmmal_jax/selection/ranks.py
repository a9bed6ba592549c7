"""From scores to an order of rows."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.types import Key

Array = jax.Array | np.ndarray


@jax.jit
def rank(values: Float[Array, " n"], mask: Bool[Array, " n"]) -> Float[jax.Array, " n"]:
    """Ascending average rank among the masked-in rows, scaled to [0, 1].

    Rows that are not finite (NaN, either infinity) share the lowest rank: a number
    that broke down is no reason to buy a label.

    Args:
      values: [n], higher = more informative.
      mask: [n], rows that are ranked.

    Returns:
      [n], 1 = most informative, ties share their average; 0 outside the mask and
      where only one row is ranked.

    Source: Rank of eq. 5 (section 3.5); direction, ties and range are ours (A25).
    """
    values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
    # Rows outside the mask sort behind every finite value and so change no count.
    ordered = jnp.sort(jnp.where(mask, values, jnp.inf))
    below = jnp.searchsorted(ordered, values, side="left")
    up_to = jnp.searchsorted(ordered, values, side="right")
    average = (below + up_to - 1).astype(jnp.float32) / 2
    return jnp.where(mask, average / jnp.maximum(jnp.sum(mask) - 1, 1), 0.0)


def random_order(
    key: Key,
    mask: Bool[Array, " n"],
    sound: Bool[Array, " n"],
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " n"]:
    """All rows, the masked-in ones first and of these the sound ones, else at random.

    In this order the place of a row means nothing: permuting rows permutes what is
    chosen by places. Arguments are those of `top_k`.
    """
    total = jnp.where(sound, 0.0, -jnp.inf)
    order: jax.Array = top_k(key, total, mask, total.shape[0], ids=ids)
    return order


@functools.partial(jax.jit, static_argnames="k")
def top_k(
    key: Key,
    total: Float[Array, " n"],
    mask: Bool[Array, " n"],
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """The k masked-in rows of highest total, best first; ties at random.

    A row's tie number comes from the key and its id, so permuting rows permutes the
    answer. Rows whose total is not finite come after all finite ones.

    Args:
      key: decides between equal totals.
      total: [n], higher = ask first.
      mask: [n], rows that may be chosen.
      k: static. Where it exceeds the masked-in rows, the others follow them.
      ids: [n], distinct.

    Returns:
      int32 [k], rows.

    Source: Algorithm 1; ties are ours.
    """
    total = jnp.where(jnp.isfinite(total), total, -jnp.inf)
    ties = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(ids)
    rows = jnp.arange(total.shape[0], dtype=jnp.int32)
    # The id itself settles the rare pair whose random numbers collide.
    keys = (~jnp.asarray(mask), -total, ties, jnp.asarray(ids))
    return jax.lax.sort((*keys, rows), num_keys=len(keys))[-1][:k]
