"""What all fits share: which rows count, their moments, and limits on variances."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from gmmal_jax.mixtures import layout

Covariance = Literal["diag", "spherical"]

_CONSTANT = 1e-6
"""A dimension below this share of the mean variance counts as constant."""
_CONSTANT_FLOOR = 1e-4
"""Floor of constant dimensions, as a share of the mean variance."""
_TINY = 1e-20
"""Smallest variance: its reciprocal is still far from float32's largest number."""


class Moments(NamedTuple):
    """Moments of the rows that count.

    Attributes:
      num_rows: [], float32.
      mean: [d]; 0 without rows.
      variance: [d], biased; 0 without rows.
    """

    num_rows: jax.Array
    mean: jax.Array
    variance: jax.Array


def usable_rows(
    latents: Float[Array, "n d"], mask: Bool[Array, " n"]
) -> Bool[Array, " n"]:
    """Rows that are asked for and finite in every dimension."""
    return mask & jnp.isfinite(latents).all(axis=1)


def centred(
    latents: Float[Array, "n d"], rows: Bool[Array, " n"], centre: Float[Array, " d"]
) -> Float[Array, "n d"]:
    """Rows minus a centre; rows that do not count become 0.

    They must not reach a matrix product as they are: 0 * NaN is NaN.
    """
    return jnp.where(rows[:, None], latents - centre[None], 0.0)


def survey(
    latents: Float[Array, "n d"], mask: Bool[Array, " n"]
) -> tuple[Bool[Array, " n"], Moments]:
    """Find the rows that count and their moments, reading memory once.

    Moments are those of blocks that stay in the cache, combined as they come.

    Args:
      latents: [n, d].
      mask: [n], rows asked for; those that are not finite never count.

    Returns:
      Rows that count, [n], and their moments.

    Source: Chan, Golub and LeVeque, 1979, for the combination.
    """
    num_rows, dims = latents.shape
    block_rows = layout.block_rows(num_rows, dims)
    num_blocks = num_rows // max(block_rows, 1)

    def visit(total: Moments, first: jax.Array) -> tuple[Moments, jax.Array]:
        block, asked = (
            lax.dynamic_slice_in_dim(values, first, block_rows)
            for values in (latents, mask)
        )
        rows = usable_rows(block, asked)
        return combine(total, moments(block, rows)), rows

    done = num_blocks * block_rows
    total, rows = lax.scan(visit, no_moments(dims), jnp.arange(num_blocks) * block_rows)
    rest = usable_rows(latents[done:], mask[done:])
    total = combine(total, moments(latents[done:], rest))
    return jnp.concatenate([rows.reshape(-1), rest]), total


def no_moments(dims: int) -> Moments:
    """Moments of no rows."""
    return Moments(jnp.zeros(()), jnp.zeros(dims), jnp.zeros(dims))


def combine(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets of rows."""
    num_rows = a.num_rows + b.num_rows
    share = b.num_rows / jnp.maximum(num_rows, 1.0)
    shift = b.mean - a.mean
    between = share * (1 - share) * shift**2
    variance = (1 - share) * a.variance + share * b.variance + between
    return Moments(num_rows, a.mean + share * shift, variance)


def moments(latents: Float[Array, "n d"], rows: Bool[Array, " n"]) -> Moments:
    """Count, mean and biased variance of the rows that count, in two passes.

    The second pass also corrects the first one's mean, whose rounding error is
    larger than the spread of the data where mean / std is large.
    """
    num_rows = rows.sum(dtype=jnp.float32)
    divisor = jnp.maximum(num_rows, 1.0)
    rough = centred(latents, rows, jnp.zeros(latents.shape[1])).sum(axis=0) / divisor
    offsets = centred(latents, rows, rough)
    shift = offsets.sum(axis=0) / divisor
    variance = (offsets**2).sum(axis=0) / divisor - shift**2
    return Moments(num_rows, rough + shift, jnp.maximum(variance, 0.0))


def constrain(
    variances: Float[Array, "*k d"], covariance: Covariance
) -> Float[Array, "*k d"]:
    """Variances of the asked form: as they are, or their mean over dimensions."""
    if covariance == "diag":
        return variances
    return jnp.broadcast_to(variances.mean(axis=-1, keepdims=True), variances.shape)


def floor_of(
    variance: Float[Array, " d"], share: float, mean_share: float = 0.0
) -> Float[Array, " d"]:
    """Smallest variance a component may have in each dimension.

    Relative, so that it does not depend on the latents' units. A (nearly) constant
    dimension takes its floor from the mean over dimensions: there it is the same
    for all components, so it cannot change a responsibility.

    Args:
      variance: [d], of the data.
      share: of `variance`.
      mean_share: of the variance's mean over dimensions: a floor common to all, which
        bounds gradients of the log-densities.

    Returns:
      [d], > 0.

    Source: ours (A4).
    """
    mean = variance.mean()
    floor = jnp.where(
        variance < _CONSTANT * mean, _CONSTANT_FLOOR * mean, share * variance
    )
    return jnp.maximum(floor, jnp.maximum(mean_share * mean, _TINY))
