"""Expectation-maximisation for mixtures with diagonal covariances, masked and stable.

One routine serves a single fit and many: `fit` streams all rows through the cache in
blocks, `fit_shards` fits an independent mixture to every shard. The steps themselves
are in `steps`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax import devices
from gmmal_jax.mixtures import gaussian, layout, steps
from gmmal_jax.mixtures.moments import (
    FLOOR,
    Affine,
    Covariance,
    Floor,
    Moments,
    centred,
    survey,
    within,
)
from gmmal_jax.types import Key, Mixture

_Step = Callable[[Mixture], tuple[Mixture, steps.Trace]]

HEALTHY = 500.0
"""Above this rho float32 is not enough (`EMInfo`)."""
_DRIFT = 4.0
"""Cached rows are centred again where rho is so many times what a new centre gives (or
1): their copies cost a CPU a fifth of an iteration, and rho its digits."""


class Options(NamedTuple):
    """What every fit is told: arguments of `fit`, `fit_shards` and `stream.fit`.

    Attributes:
      num_iters: most iterations.
      tolerance: stop when an iteration gains less, nats per row; None: never.
      floor: how small a variance may become.
      covariance: form of the variances.
    """

    num_iters: int
    tolerance: float | None = None
    floor: Floor = FLOOR
    covariance: Covariance = "diag"


class EMInfo(NamedTuple):
    """How a fit went.

    Attributes:
      log_likelihood: [*s, t], nats per row under the mixture that entered each
        iteration; never falls by more than rounding while no variance is floored.
        Repeats its last value after a fit that stopped early.
      live: [*s], components with more than `steps.DEAD_COUNT` points.
      rows_dropped: [*s], rows that the mask admits but that are not finite.
      rho: [*s], health figure: the error of a log-likelihood per dimension is about
        6e-8 times this; above `HEALTHY` it deserves a warning.
      counts: [*s, k], points per component in the last iteration.
      floored: [*s, d], dimensions where the floor is the variance of every component
        in the end; those that are constant are not counted.
      iterations: [*s], iterations done: all, unless a tolerance was given.
    """

    log_likelihood: jax.Array
    live: jax.Array
    rows_dropped: jax.Array
    rho: jax.Array
    counts: jax.Array
    floored: jax.Array
    iterations: jax.Array


@partial(
    jax.jit,
    static_argnames=("num_iters", "floor", "covariance", "block_rows", "axis"),
)
def fit(
    latents: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    start: Mixture,
    *,
    num_iters: int = 10,
    floor: Floor = FLOOR,
    covariance: Covariance = "diag",
    block_rows: int | None = None,
    tolerance: Float[Array, ""] | float | None = None,
    affine: Affine | None = None,
    data: Moments | None = None,
    axis: str | None = None,
) -> tuple[Mixture, EMInfo]:
    """Fit one mixture to all rows by exact EM.

    Args:
      latents: [n, d].
      mask: [n], rows that count; masked and non-finite rows have no influence.
      start: [k], [k, d], [k, d]; a component of weight 0 may win points.
      num_iters: t, static.
      floor: how small a variance may become, static.
      covariance: form of the variances.
      block_rows: rows a block; None: what fits the cache.
      tolerance: stop when an iteration gains less, nats per row; None: never.
      affine: units in which rows are fitted, applied as they are read; None: theirs.
      data: moments of the rows that count, in these units, where they are known: then
        all that the mask admits are finite. None: they are found.
      axis: devices that hold a share of the rows each, static; None: there is one.

    Returns:
      The mixture and how the fit went. A dead component keeps its mean, has the
      rows' variance and the weight of `steps.DEAD_COUNT` points. Without any row the
      start is kept, with equal weights.

    Source: section 3.2.
    """
    return _fit(
        latents,
        mask,
        start,
        num_iters,
        floor,
        covariance,
        block_rows,
        tolerance,
        affine,
        data,
        axis,
    )


@partial(
    jax.jit,
    static_argnames=("num_iters", "floor", "covariance", "group_size"),
)
def fit_shards(
    latents: Float[Array, "s m d"],
    mask: Bool[Array, "s m"],
    start: Mixture,
    *,
    num_iters: int = 10,
    floor: Floor = FLOOR,
    covariance: Covariance = "diag",
    group_size: int | None = None,
    tolerance: Float[Array, ""] | float | None = None,
) -> tuple[Mixture, EMInfo]:
    """Fit an independent mixture to every shard, all from the same start.

    All iterations of a group run before the next group starts: with a group of one
    a CPU reads each shard from memory once; an accelerator wants as many as it holds.

    Args:
      latents: [s, m, d].
      mask: [s, m], rows that count; shards may be empty.
      start: [k], [k, d], [k, d], shared by the shards.
      num_iters: t, static.
      floor: how small a variance may become beside the shard's, static.
      covariance: form of the variances.
      group_size: shards side by side, static; None: what suits the platform.
      tolerance: stop a shard when an iteration gains less, nats per row.

    Returns:
      Mixtures [s, k], [s, k, d], [s, k, d], and how each fit went, [s, ...].

    Source: section 3.2, batch averaging.
    """

    def fit_one(shard: tuple[jax.Array, jax.Array]) -> tuple[Mixture, EMInfo]:
        return _fit(*shard, start, num_iters, floor, covariance, None, tolerance)

    num_shards, num_rows, dims = latents.shape
    # Centred rows and their squares, joint log-likelihoods and responsibilities.
    width = 2 * (dims + start.means.shape[0])
    size = group_size or layout.group_size(num_shards, num_rows, width)
    batch_size = None if size == 1 else size
    fits: tuple[Mixture, EMInfo]
    fits = lax.map(fit_one, (latents, mask), batch_size=batch_size)
    return fits


@partial(jax.jit, static_argnames="shard_size")
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
    floor: Floor,
    covariance: Covariance,
    block_rows: int | None,
    tolerance: jax.Array | float | None,
    affine: Affine | None = None,
    data: Moments | None = None,
    axis: str | None = None,
) -> tuple[Mixture, EMInfo]:
    rows = mask
    if data is None:
        rows, data = survey(within(latents, affine), mask, axis)
    mixture, limits = steps.prepare(data, start, floor, covariance)
    num_rows, dims = latents.shape
    if block_rows is None:
        block_rows = layout.block_rows(num_rows, max(dims, start.means.shape[0]))

    def in_blocks(mixture: Mixture) -> tuple[Mixture, steps.Trace]:
        centre = steps.centre_of(mixture, limits)
        sums = steps.expect_blocks(latents, rows, mixture, centre, block_rows, affine)
        sums = devices.total(sums, axis)
        return steps.maximise(sums, mixture, centre, limits, covariance)

    def about(centre: jax.Array) -> _Step:
        x = centred(within(latents, affine), rows, centre)
        squares = x * x

        def step(mixture: Mixture) -> tuple[Mixture, steps.Trace]:
            sums = steps.expect(x, squares, rows, mixture, centre)
            sums = devices.total(sums, axis)
            return steps.maximise(sums, mixture, centre, limits, covariance)

        return step

    begin = _begin(mixture, num_iters)
    if block_rows < num_rows:
        state = _repeat(in_blocks, begin, tolerance)
    else:

        def stale(state: _Run) -> jax.Array:
            best = gaussian.rho(state.mixture, steps.centre_of(state.mixture, limits))
            drifted = state.trace.rho > _DRIFT * jnp.maximum(best, 1.0)
            # A start is about as wide as the data, the first fit is not.
            return drifted | (state.iterations == 1)

        def centre_and_repeat(state: _Run) -> _Run:
            step = about(steps.centre_of(state.mixture, limits))
            return _repeat(step, state, tolerance, stale)

        state = lax.while_loop(lambda state: ~state.done, centre_and_repeat, begin)
    last = state.trace
    after = jnp.arange(num_iters) >= state.iterations
    return state.mixture, EMInfo(
        jnp.where(after, last.log_likelihood, state.history),
        last.live,
        devices.total(mask.sum() - rows.sum(), axis),
        last.rho,
        last.counts,
        last.floored,
        state.iterations,
    )


class _Run(NamedTuple):
    """Where the iterations stand; log-likelihoods [t] of those that are done."""

    mixture: Mixture
    trace: steps.Trace
    history: jax.Array
    iterations: jax.Array
    done: jax.Array


def _begin(mixture: Mixture, num_iters: int) -> _Run:
    zero, dtype = jnp.zeros((), jnp.int32), mixture.weights.dtype
    trace = steps.Trace(
        jnp.array(-jnp.inf, dtype),
        zero,
        jnp.zeros((), dtype),
        mixture.weights,
        jnp.zeros(mixture.means.shape[1], bool),
    )
    history = jnp.zeros(num_iters, dtype)
    return _Run(mixture, trace, history, zero, jnp.array(False))


def _repeat(
    step: _Step,
    state: _Run,
    tolerance: jax.Array | float | None,
    stale: Callable[[_Run], jax.Array] = lambda state: jnp.array(False),
) -> _Run:
    """Iterate at least once, until the fit ends or what the step stands on is stale."""
    first = state.iterations

    def advance(state: _Run) -> _Run:
        mixture, trace = step(state.mixture)
        gain = trace.log_likelihood - state.trace.log_likelihood
        iterations = state.iterations + 1
        done = iterations == state.history.size
        if tolerance is not None:
            done |= gain < tolerance
        history = state.history.at[state.iterations].set(trace.log_likelihood)
        return _Run(mixture, trace, history, iterations, done)

    def going(state: _Run) -> jax.Array:
        return ~state.done & ((state.iterations == first) | ~stale(state))

    return lax.while_loop(going, advance, state)
