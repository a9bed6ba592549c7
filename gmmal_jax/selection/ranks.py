"""From scores to an order of rows."""

import functools
from collections.abc import Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.types import Key

Array = jax.Array | np.ndarray


class Fusion(NamedTuple):
    """How several scores become one number.

    Attributes:
      by: "rank_sum" adds ranks up; "rank_product" multiplies them, counted 1 to m from
        the least wanted of m rows, and its logarithm is what comes out.
      weights: one a score, factors or exponents; None: all 1.
    """

    by: Literal["rank_sum", "rank_product"] = "rank_sum"
    weights: tuple[float, ...] | None = None


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


def fuse(
    ranks: Sequence[Float[jax.Array, " n"]], mask: Bool[Array, " n"], fusion: Fusion
) -> Float[jax.Array, " n"]:
    """One number a row of its ranks in several scores.

    Args:
      ranks: [n] each, from `rank`.
      mask: [n], the rows that were ranked.
      fusion: how.

    Source: eq. 5 adds ranks of equal weight; product and weights are ours, as what a
    reader asks for (methods of rank aggregation).
    """
    if fusion.by == "rank_product":
        most = jnp.maximum(jnp.sum(mask) - 1, 0)
        ranks = [jnp.log1p(most * each) for each in ranks]
    if fusion.weights is not None:
        ranks = [w * each for w, each in zip(fusion.weights, ranks, strict=True)]
    return functools.reduce(jnp.add, ranks)


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
