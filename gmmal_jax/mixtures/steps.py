"""The two steps of EM, pure: sums of rows under a mixture, a mixture of sums.

Logits become [k, b], so that responsibilities are the left operand of the M step's
products as they lie; squares are formed once per block; sums are taken about the
precision-weighted centre (`gaussian.precision_centre`), which keeps float32 accurate
where a component is almost constant. No array is n x k x d.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gmmal_jax.mixtures import gaussian
from gmmal_jax.mixtures.moments import (
    Affine,
    Covariance,
    Floor,
    Moments,
    centred,
    constrain,
    floor_of,
    within,
)
from gmmal_jax.numerics import matmul
from gmmal_jax.types import Mixture

DEAD_COUNT = 1e-3
"""A component with fewer points is dead, and weighs as if it had so many."""

_SMALLEST_WEIGHT = 1e-30
"""Weights are clipped here before the logarithm, so that a weight of 0 can recover."""
_FEW = 64
"""With fewer components, products with rows on the left are faster on a CPU..."""
_LANES = 16
"""...if the components are filled up to a multiple of this."""


class Sums(NamedTuple):
    """What an E step leaves, about a centre: [], [k], [k, d], [k, d]."""

    log_likelihood: jax.Array
    counts: jax.Array
    first: jax.Array
    second: jax.Array


class Limits(NamedTuple):
    """What the data say once.

    Attributes:
      data: their moments, [d].
      floor: smallest variances, [d].
      constant: dimensions that have no variance of their own, [d].
      dead_variances: of a component without points, [k, d].
    """

    data: Moments
    floor: jax.Array
    constant: jax.Array
    dead_variances: jax.Array


class Trace(NamedTuple):
    """What an iteration reports: [], [], [], [k], [d]."""

    log_likelihood: jax.Array
    live: jax.Array
    rho: jax.Array
    counts: jax.Array
    floored: jax.Array


def prepare(
    data: Moments, start: Mixture, floor_rule: Floor, covariance: Covariance
) -> tuple[Mixture, Limits]:
    """Bring a start above the data's floor; the limits of all its iterations."""
    variance = constrain(data.variance, covariance)
    floor, constant = floor_of(data, covariance, floor_rule)
    variances = jnp.maximum(constrain(start.variances, covariance), floor[None])
    # Rows that do not exist say nothing about the width of a dead component.
    dead = jnp.maximum(variance, floor)[None]
    dead = jnp.where(data.num_rows > 0, dead, variances)
    return start._replace(variances=variances), Limits(data, floor, constant, dead)


def centre_of(mixture: Mixture, limits: Limits) -> jax.Array:
    """The origin [d] of an iteration's sums."""
    std = jnp.sqrt(limits.data.variance)
    return gaussian.precision_centre(mixture, limits.data.mean, std)


def no_sums(mixture: Mixture) -> Sums:
    """Sums of no rows."""
    means = jnp.zeros_like(mixture.means)
    counts = jnp.zeros_like(mixture.weights)
    return Sums(jnp.zeros((), counts.dtype), counts, means, means)


def expect(
    x: jax.Array,
    squares: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    centre: jax.Array,
) -> Sums:
    """E step on centred rows [b, d], and the sums that the M step needs."""
    logits = _logits(x, squares, mixture, centre)
    peak = logits.max(axis=0, keepdims=True)
    likelihoods = jnp.exp(logits - peak)
    evidence = likelihoods.sum(axis=0, keepdims=True)
    responsibilities = likelihoods * (rows[None] / evidence)
    log_likelihoods = jnp.where(rows, (peak + jnp.log(evidence))[0], 0.0)
    return Sums(
        log_likelihoods.sum(),
        responsibilities.sum(axis=1),
        matmul(responsibilities, x),
        matmul(responsibilities, squares),
    )


def expect_blocks(
    latents: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    centre: jax.Array,
    block_rows: int,
    affine: Affine | None = None,
) -> Sums:
    """E step on rows as they are, block by block; each is centred as it is read."""
    num_rows = latents.shape[0]
    if block_rows >= num_rows:
        x = centred(within(latents, affine), rows, centre)
        return expect(x, x * x, rows, mixture, centre)

    def add(total: Sums, first: jax.Array) -> tuple[Sums, None]:
        # The last block reaches back into the one before: a padded copy of the rows
        # would double the memory.
        start = jnp.minimum(first, num_rows - block_rows)
        block, admitted = (
            lax.dynamic_slice_in_dim(values, start, block_rows)
            for values in (latents, rows)
        )
        admitted &= start + jnp.arange(block_rows) >= first
        x = centred(within(block, affine), admitted, centre)
        sums = expect(x, x * x, admitted, mixture, centre)
        return jax.tree.map(jnp.add, total, sums), None

    return lax.scan(add, no_sums(mixture), jnp.arange(0, num_rows, block_rows))[0]


def maximise(
    sums: Sums,
    mixture: Mixture,
    centre: jax.Array,
    limits: Limits,
    covariance: Covariance,
) -> tuple[Mixture, Trace]:
    """M step; dead components keep their mean and become as wide as the data."""
    alive = sums.counts > DEAD_COUNT
    divisor = jnp.where(alive, sums.counts, 1.0)[:, None]
    offsets = sums.first / divisor
    own = constrain(sums.second / divisor - offsets**2, covariance)
    raised = (own <= limits.floor[None]) | ~alive[:, None]
    own = jnp.maximum(own, limits.floor[None])
    weights = jnp.where(alive, sums.counts, DEAD_COUNT)
    weights = weights / weights.sum()
    means = jnp.where(alive[:, None], centre[None] + offsets, mixture.means)
    variances = jnp.where(alive[:, None], own, limits.dead_variances)
    fitted = Mixture(weights, means, variances)
    trace = Trace(
        sums.log_likelihood / jnp.maximum(limits.data.num_rows, 1.0),
        alive.sum(dtype=jnp.int32),
        gaussian.rho(fitted, centre),
        sums.counts,
        raised.all(axis=0) & alive.any() & ~limits.constant,
    )
    return fitted, trace


def _logits(
    x: jax.Array, squares: jax.Array, mixture: Mixture, centre: jax.Array
) -> jax.Array:
    """Log-joint densities [k, b] of centred rows [b, d]."""
    log_weights = jnp.log(jnp.maximum(mixture.weights, _SMALLEST_WEIGHT))
    linear, precisions, constant = gaussian.quadratic(log_weights, mixture, centre)
    num_components = constant.size
    if num_components >= _FEW:
        logits = matmul(linear, x.T) + matmul(-0.5 * precisions, squares.T)
    else:
        fill = ((0, -num_components % _LANES), (0, 0))
        linear, precisions = jnp.pad(linear, fill), jnp.pad(precisions, fill)
        logits = matmul(x, linear.T) + matmul(squares, -0.5 * precisions.T)
        logits = logits[:, :num_components].T
    return logits + constant[:, None]
