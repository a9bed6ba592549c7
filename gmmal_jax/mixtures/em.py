"""Expectation-maximisation for mixtures with diagonal covariances, masked and stable.

One routine serves a single fit and many: `fit` streams all rows through the cache in
blocks, `fit_shards` fits an independent mixture to every shard. Logits are
transposed, [k, b], so that responsibilities are the left operand of the M step's
products as they lie; squares are formed once per block; sums are taken about the
precision-weighted centre (`gaussian.precision_centre`), which keeps float32 accurate
where a component is almost constant. No array is n x k x d.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax.mixtures import gaussian
from gmmal_jax.mixtures.moments import (
    Covariance,
    Moments,
    centred,
    constrain,
    floor_of,
    moments,
    usable_rows,
)
from gmmal_jax.types import Key, Mixture

DEAD_COUNT = 1e-3
"""A component with fewer points is dead, and weighs as if it had so many."""

_SMALLEST_WEIGHT = 1e-30
"""Weights are clipped here before the logarithm, so that a weight of 0 can recover."""
_CACHED_FLOATS = 2**20
"""Up to this size (4 MiB) rows and squares of a fit stay in the cache whole."""
_BLOCK_FLOATS = 2**19
"""Size of a block of rows where they do not."""


class EMInfo(NamedTuple):
    """How a fit went.

    Attributes:
      log_likelihood: [*s, t], nats per row under the mixture that entered each
        iteration; never falls by more than rounding while no variance is floored.
      live: [*s], components with more than `DEAD_COUNT` points.
      rows_dropped: [*s], rows that the mask admits but that are not finite.
      rho: [*s], health figure: the error of a log-likelihood per dimension is about
        6e-8 times this; above some 500 it deserves a warning.
      counts: [*s, k], points per component in the last iteration.
    """

    log_likelihood: jax.Array
    live: jax.Array
    rows_dropped: jax.Array
    rho: jax.Array
    counts: jax.Array


class _Sums(NamedTuple):
    """What an E step leaves, about a centre: [], [k], [k, d], [k, d]."""

    log_likelihood: jax.Array
    counts: jax.Array
    first: jax.Array
    second: jax.Array


class _Limits(NamedTuple):
    """What the data say once: their moments, the floor [d], a dead variance [k, d]."""

    data: Moments
    floor: jax.Array
    dead_variances: jax.Array


class _Trace(NamedTuple):
    """What an iteration reports: [], [], [], [k]."""

    log_likelihood: jax.Array
    live: jax.Array
    rho: jax.Array
    counts: jax.Array


@partial(
    jax.jit,
    static_argnames=("num_iters", "variance_floor", "covariance", "block_rows"),
)
def fit(
    latents: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    start: Mixture,
    *,
    num_iters: int = 10,
    variance_floor: float = 1e-4,
    covariance: Covariance = "diag",
    block_rows: int | None = None,
) -> tuple[Mixture, EMInfo]:
    """Fit one mixture to all rows by exact EM.

    Args:
      latents: [n, d].
      mask: [n], rows that count; masked and non-finite rows have no influence.
      start: [k], [k, d], [k, d]; a component of weight 0 may win points.
      num_iters: t, static.
      variance_floor: share of the rows' variance in each dimension.
      covariance: form of the variances.
      block_rows: rows a block; None: what fits the cache.

    Returns:
      The mixture and how the fit went. A dead component keeps its mean, has the
      rows' variance and the weight of `DEAD_COUNT` points. Without any row the start
      is kept, with equal weights.

    Source: section 3.2.
    """
    return _fit(latents, mask, start, num_iters, variance_floor, covariance, block_rows)


@partial(
    jax.jit,
    static_argnames=("num_iters", "variance_floor", "covariance", "group_size"),
)
def fit_shards(
    latents: Float[Array, "s m d"],
    mask: Bool[Array, "s m"],
    start: Mixture,
    *,
    num_iters: int = 10,
    variance_floor: float = 1e-4,
    covariance: Covariance = "diag",
    group_size: int = 1,
) -> tuple[Mixture, EMInfo]:
    """Fit an independent mixture to every shard, all from the same start.

    All iterations of a group run before the next group starts: with a group of one
    a CPU reads each shard from memory once; an accelerator wants all shards at once.

    Args:
      latents: [s, m, d].
      mask: [s, m], rows that count; shards may be empty.
      start: [k], [k, d], [k, d], shared by the shards.
      num_iters: t, static.
      variance_floor: share of the shard's variance in each dimension.
      covariance: form of the variances.
      group_size: shards side by side, static.

    Returns:
      Mixtures [s, k], [s, k, d], [s, k, d], and how each fit went, [s, ...].

    Source: section 3.2, batch averaging.
    """

    def fit_one(shard: tuple[jax.Array, jax.Array]) -> tuple[Mixture, EMInfo]:
        return _fit(*shard, start, num_iters, variance_floor, covariance, None)

    batch_size = None if group_size == 1 else group_size
    return lax.map(fit_one, (latents, mask), batch_size=batch_size)


def to_shards(
    key: Key, mask: Bool[Array, " n"], *, shard_size: int
) -> tuple[Int[Array, "s m"], Bool[Array, "s m"]]:
    """Deal the rows that count to shards of equal size, in random order.

    Only as many shards are filled as shards of `shard_size` rows need, so that a
    shard keeps enough points per component while the mask shrinks; the filled ones
    differ by at most one row. The others stay empty: shapes follow from n and
    `shard_size` alone.

    Args:
      key: seeds the order.
      mask: [n], rows to deal.
      shard_size: largest number of rows a shard, static.

    Returns:
      Row indices [s, m], 0 where unfilled, and whether an entry is filled, [s, m];
      s = ceil(n / shard_size), m = ceil(n / s).

    Source: ours; the paper does not say how the batches are drawn.
    """
    num_rows = mask.shape[0]
    num_shards = -(-num_rows // shard_size)
    size = -(-num_rows // num_shards)
    order = jax.random.permutation(key, num_rows)
    dealt = mask[order]
    rank = jnp.cumsum(dealt) - 1
    num_filled = jnp.maximum(-(-dealt.sum() // size), 1)
    outside = num_shards * size
    slot = jnp.where(dealt, (rank % num_filled) * size + rank // num_filled, outside)
    indices = jnp.zeros(outside, order.dtype).at[slot].set(order, mode="drop")
    filled = jnp.zeros(outside, bool).at[slot].set(True, mode="drop")
    return indices.reshape(num_shards, size), filled.reshape(num_shards, size)


def _fit(
    latents: jax.Array,
    mask: jax.Array,
    start: Mixture,
    num_iters: int,
    variance_floor: float,
    covariance: Covariance,
    block_rows: int | None,
) -> tuple[Mixture, EMInfo]:
    rows = usable_rows(latents, mask)
    data = moments(latents, rows)
    variance = constrain(data.variance, covariance)
    floor = floor_of(variance, variance_floor)
    variances = jnp.maximum(constrain(start.variances, covariance), floor[None])
    # Rows that do not exist say nothing about the width of a dead component.
    dead = jnp.maximum(variance, floor)[None]
    limits = _Limits(data, floor, jnp.where(data.num_rows > 0, dead, variances))
    mixture = start._replace(variances=variances)

    num_rows, dims = latents.shape
    width = max(dims, start.means.shape[0])
    if block_rows is None:
        whole = num_rows * width <= _CACHED_FLOATS
        block_rows = num_rows if whole else max(128, _BLOCK_FLOATS // width)
    if block_rows >= num_rows:
        mixture, trace = _iterate_whole(
            latents, rows, mixture, limits, num_iters, covariance
        )
    else:
        mixture, trace = _iterate_blocks(
            latents, rows, mixture, limits, num_iters, covariance, block_rows
        )
    dropped = mask.sum() - rows.sum()
    last = jax.tree.map(lambda values: values[-1], trace)
    info = EMInfo(trace.log_likelihood, last.live, dropped, last.rho, last.counts)
    return mixture, info


def _iterate_whole(
    latents: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    limits: _Limits,
    num_iters: int,
    covariance: Covariance,
) -> tuple[Mixture, _Trace]:
    """Rows that fit the cache: centre them at the start and after one iteration.

    That is as accurate as centring them every time, and saves most of the copies.
    """

    def phase(mixture: Mixture, length: int) -> tuple[Mixture, _Trace]:
        centre = _centre(mixture, limits)
        x = centred(latents, rows, centre)
        squares = x * x

        def iterate(mixture: Mixture, _: None) -> tuple[Mixture, _Trace]:
            sums = _expect(x, squares, rows, mixture, centre)
            return _maximise(sums, mixture, centre, limits, covariance)

        return lax.scan(iterate, mixture, None, length=length)

    mixture, trace = phase(mixture, 1)
    if num_iters == 1:
        return mixture, trace
    mixture, rest = phase(mixture, num_iters - 1)
    return mixture, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), trace, rest)


def _iterate_blocks(
    latents: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    limits: _Limits,
    num_iters: int,
    covariance: Covariance,
    block_rows: int,
) -> tuple[Mixture, _Trace]:
    """Rows that do not fit: centre each block as it is read, which costs nothing."""
    num_rows = latents.shape[0]
    zero = _Sums(
        jnp.zeros(()),
        jnp.zeros_like(mixture.weights),
        jnp.zeros_like(mixture.means),
        jnp.zeros_like(mixture.means),
    )

    def iterate(mixture: Mixture, _: None) -> tuple[Mixture, _Trace]:
        centre = _centre(mixture, limits)

        def add(total: _Sums, first: jax.Array) -> tuple[_Sums, None]:
            # The last block reaches back into the one before: a padded copy of the
            # rows would double the memory.
            start = jnp.minimum(first, num_rows - block_rows)
            block, admitted = (
                lax.dynamic_slice_in_dim(values, start, block_rows)
                for values in (latents, rows)
            )
            admitted &= start + jnp.arange(block_rows) >= first
            x = centred(block, admitted, centre)
            sums = _expect(x, x * x, admitted, mixture, centre)
            return jax.tree.map(jnp.add, total, sums), None

        sums, _ = lax.scan(add, zero, jnp.arange(0, num_rows, block_rows))
        return _maximise(sums, mixture, centre, limits, covariance)

    return lax.scan(iterate, mixture, None, length=num_iters)


def _centre(mixture: Mixture, limits: _Limits) -> jax.Array:
    std = jnp.sqrt(limits.data.variance)
    return gaussian.precision_centre(mixture, limits.data.mean, std)


def _expect(
    x: jax.Array,
    squares: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    centre: jax.Array,
) -> _Sums:
    """E step on centred rows, and the sums that the M step needs."""
    highest = lax.Precision.HIGHEST
    log_weights = jnp.log(jnp.maximum(mixture.weights, _SMALLEST_WEIGHT))
    linear, precisions, constant = gaussian.quadratic(log_weights, mixture, centre)
    logits = jnp.einsum("kd,bd->kb", linear, x, precision=highest)
    logits += jnp.einsum("kd,bd->kb", -0.5 * precisions, squares, precision=highest)
    logits += constant[:, None]

    peak = logits.max(axis=0, keepdims=True)
    likelihoods = jnp.exp(logits - peak)
    evidence = likelihoods.sum(axis=0, keepdims=True)
    responsibilities = likelihoods * (rows[None] / evidence)
    log_likelihoods = jnp.where(rows, (peak + jnp.log(evidence))[0], 0.0)
    return _Sums(
        log_likelihoods.sum(),
        responsibilities.sum(axis=1),
        jnp.matmul(responsibilities, x, precision=highest),
        jnp.matmul(responsibilities, squares, precision=highest),
    )


def _maximise(
    sums: _Sums,
    mixture: Mixture,
    centre: jax.Array,
    limits: _Limits,
    covariance: Covariance,
) -> tuple[Mixture, _Trace]:
    """M step; dead components keep their mean and become as wide as the data."""
    alive = sums.counts > DEAD_COUNT
    divisor = jnp.where(alive, sums.counts, 1.0)[:, None]
    offsets = sums.first / divisor
    own = constrain(sums.second / divisor - offsets**2, covariance)
    own = jnp.maximum(own, limits.floor[None])
    weights = jnp.where(alive, sums.counts, DEAD_COUNT)
    weights = weights / weights.sum()
    means = jnp.where(alive[:, None], centre[None] + offsets, mixture.means)
    variances = jnp.where(alive[:, None], own, limits.dead_variances)
    distances = (means - centre[None]) ** 2 / variances
    trace = _Trace(
        sums.log_likelihood / jnp.maximum(limits.data.num_rows, 1.0),
        alive.sum(),
        (weights[:, None] * distances).sum(axis=0).mean(),
        sums.counts,
    )
    return Mixture(weights, means, variances), trace
