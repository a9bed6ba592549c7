"""What all fits share: which rows count, their moments, and limits on variances."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from gmmal_jax.mixtures import layout

Covariance = Literal["diag", "spherical"]

_DEAD_BELOW = 1e-6
"""A dimension below this share of the mean variance counts as dead."""
_ROUNDINGS = 4.0
"""A dimension that varies by so many roundings of its own size is constant."""
_TINY = 1e-20
"""Smallest variance: its reciprocal is still far from float32's largest number.

Rows in other units than about one are brought there first (`frame`)."""


class Floor(NamedTuple):
    """How small a component's variance may become: a decision of whoever fits.

    A dimension that is constant, for its own size, has a share of its square as floor
    (or of 1 where it is 0): the same for all components, so that it cannot change a
    responsibility. Nothing of this depends on units, nor on the other dimensions.
    Where all dimensions have one unit, as a network's latents have, they may be judged
    by their mean variance instead (`dead_share`).

    Attributes:
      share: of the data's variance in each dimension.
      unit: the size of all dimensions, where rows were brought to one; 0: each has
        its own.
      dead_share: floor of a dead dimension, one that varies much less than the others,
        as a share of the variance's mean over dimensions; 0: the others are not asked.
      mean_share: of that mean: a floor common to all dimensions, which bounds
        gradients of the log-densities.
    """

    share: float = 1e-4
    unit: float = 0.0
    dead_share: float = 0.0
    mean_share: float = 0.0


FLOOR = Floor()
"""Unless a fit is told otherwise."""


class Limit(NamedTuple):
    """What follows from data.

    Attributes:
      floor: [d], > 0, smallest variances.
      constant: [d], dimensions that have none of their own: constant or dead.
    """

    floor: jax.Array
    constant: jax.Array


class Affine(NamedTuple):
    """Other units for rows: (row * unit - centre) * rest, [d] each.

    Attributes:
      unit: powers of two, so that the first product is exact.
      centre: in that unit.
      rest: what is left of the scale; 0 where rows become 0.
    """

    unit: jax.Array
    centre: jax.Array
    rest: jax.Array


class Moments(NamedTuple):
    """Moments of the rows that count.

    Attributes:
      num_rows: [], in the precision of the rows.
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


def within(latents: Float[Array, "n d"], affine: Affine | None) -> Float[Array, "n d"]:
    """Rows in other units, or as they are."""
    if affine is None:
        return latents
    unit, centre, rest = affine
    return (latents * unit[None] - centre[None]) * rest[None]


def centred(
    latents: Float[Array, "n d"], rows: Bool[Array, " n"], centre: Float[Array, " d"]
) -> Float[Array, "n d"]:
    """Rows minus a centre; rows that do not count become 0.

    They must not reach a matrix product as they are: 0 * NaN is NaN.
    """
    return jnp.where(rows[:, None], latents - centre[None], 0.0)


def survey(
    latents: Float[Array, "n d"], mask: Bool[Array, " n"], axis: str | None = None
) -> tuple[Bool[Array, " n"], Moments]:
    """Find the rows that count and their moments, reading memory once.

    Moments are those of blocks that stay in the cache, combined as they come.

    Args:
      latents: [n, d].
      mask: [n], rows asked for; those that are not finite never count.
      axis: devices that hold a share of the rows each; None: there is one.

    Returns:
      Rows that count, [n], and the moments of all of them.

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
    none = no_moments(dims, latents.dtype)
    total, rows = lax.scan(visit, none, jnp.arange(num_blocks) * block_rows)
    rest = usable_rows(latents[done:], mask[done:])
    total = combine(total, moments(latents[done:], rest))
    return jnp.concatenate([rows.reshape(-1), rest]), _of_all(total, axis)


def _of_all(own: Moments, axis: str | None) -> Moments:
    """Moments of the rows of all devices, combined in one order everywhere."""
    if axis is None:
        return own
    parts: Moments = lax.all_gather(own, axis)
    none = no_moments(own.mean.shape[0], own.mean.dtype)
    total: Moments
    total, _ = lax.scan(lambda sum_, part: (combine(sum_, part), None), none, parts)
    return total


def no_moments(dims: int, dtype: DTypeLike = jnp.float32) -> Moments:
    """Moments of no rows."""
    zeros = jnp.zeros(dims, dtype)
    return Moments(jnp.zeros((), dtype), zeros, zeros)


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
    num_rows = rows.sum(dtype=latents.dtype)
    divisor = jnp.maximum(num_rows, 1.0)
    origin = jnp.zeros(latents.shape[1], latents.dtype)
    rough = centred(latents, rows, origin).sum(axis=0) / divisor
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


def floor_of(data: Moments, covariance: Covariance, floor: Floor) -> Limit:
    """Smallest variance a component may have in each dimension.

    Args:
      data: moments [d] of the rows.
      covariance: form of the variances.
      floor: what it is a share of.

    Returns:
      The floor and which dimensions it treats as constant.

    Source: ours (A4).
    """
    variance = constrain(data.variance, covariance)
    mean = variance.mean()
    if floor.dead_share:
        constant = variance < _DEAD_BELOW * mean
        least = floor.dead_share * mean
    else:
        size = jnp.full_like(variance, floor.unit**2)
        if not floor.unit:
            size = constrain(data.mean**2, covariance)
        rounding = _ROUNDINGS * float(np.finfo(variance.dtype).eps)
        constant = variance <= rounding**2 * size
        least = floor.share * jnp.where(size > 0, size, 1.0)
    smallest = jnp.where(constant, least, floor.share * variance)
    common = jnp.maximum(floor.mean_share * mean, _TINY)
    return Limit(jnp.maximum(smallest, common), constant)
