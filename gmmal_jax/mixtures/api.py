"""Mixtures for those who come for nothing else: one call, any array, one record.

Host functions: `em.fit` is behind them, `stream.fit` for arrays that the device should
not hold whole, and `sharded.fit`. What they share, and what they return, is `problem`.
"""

from typing import Any, Literal

import jax

from gmmal_jax.mixtures import em, given, layout, problem as problems, sharded
from gmmal_jax.mixtures.moments import Covariance, Floor
from gmmal_jax.mixtures.problem import MixtureFit
from gmmal_jax.switches import pinned
from gmmal_jax.types import Key, Mixture


def fit_mixture(
    latents: Any,
    num_components: int,
    *,
    start: Mixture | Literal["kmeans++"] = "kmeans++",
    seed: int | Key = 0,
    mask: Any = None,
    num_iters: int = 100,
    tolerance: float | None = 1e-3,
    variance_floor: float = 1e-4,
    covariance: Covariance = "diag",
    resident_bytes: int | None = None,
) -> MixtureFit:
    """Fit a Gaussian mixture with diagonal covariances by exact EM.

    In float32 on columns that were centred and scaled before; in float64 where that
    is not enough. A diagonal mixture does not depend on the columns' units.

    Args:
      latents: [n, d], numbers: NumPy (also a memory map) or JAX. Rows that are not
        finite are dropped and counted.
      num_components: k.
      start: a mixture to start from, or k-means++ on a random subset of the rows.
      seed: an integer or a key, for k-means++.
      mask: [n], rows that count; None: all.
      num_iters: most iterations.
      tolerance: stop when an iteration gains less, nats per row; None: never.
      variance_floor: smallest variance, as a share of the data's in each dimension.
      covariance: `diag`, or `spherical`.
      resident_bytes: a host array with more bytes (as float32) is read in chunks,
        once an iteration, and never held whole by the device; None: what suits the
        platform.

    Returns:
      The mixture and how the fit went.

    Raises:
      ValueError: an argument cannot be used, or no row is left.
    """
    options = _options(num_iters, tolerance, variance_floor, covariance)
    with pinned():
        problem = problems.pose(latents, mask, num_components, options, resident_bytes)
        drawn = problems.begin(problem, start, given.key(seed))
        fit = problems.solve(problem, drawn)
    problems.warn(fit.health, options, "latents", "variance_floor")
    return fit


def fit_sharded(
    latents: Any,
    num_components: int,
    *,
    shard_size: int | None = None,
    average: Literal["count", "equal"] = "count",
    start: Mixture | Literal["kmeans++"] = "kmeans++",
    seed: int | Key = 0,
    mask: Any = None,
    num_iters: int = 100,
    tolerance: float | None = 1e-3,
    variance_floor: float = 1e-4,
    covariance: Covariance = "diag",
    resident_bytes: int | None = None,
) -> MixtureFit:
    """Fit a mixture to every shard of the rows, realign components, and average.

    Args:
      latents: [n, d], as in `fit_mixture`.
      num_components: k.
      shard_size: most rows a shard; None: 50 a component, at least 1,000. Rows are
        dealt at random.
      average: weight of a shard's component, its points or one.
      start: where all shards start; as in `fit_mixture`.
      seed: an integer or a key, for k-means++ and the deal.
      mask: as in `fit_mixture`.
      num_iters: as in `fit_mixture`.
      tolerance: as in `fit_mixture`, for each shard.
      variance_floor: share of the shard's own variance.
      covariance: as in `fit_mixture`.
      resident_bytes: as in `fit_mixture`; shards are then read a few at a time.

    Returns:
      The averaged mixture, how the fits went, and the fits themselves.

    Raises:
      ValueError: an argument cannot be used, or no row is left.
    """
    options = _options(num_iters, tolerance, variance_floor, covariance)
    given.choice(average, "average", ("count", "equal"))
    if shard_size is not None:
        shard_size = given.whole(shard_size, "shard_size")
    with pinned():
        problem = problems.pose(latents, mask, num_components, options, resident_bytes)
        k_start, k_shards = jax.random.split(given.key(seed))
        drawn = problems.begin(problem, start, k_start)
        sharding = sharded.Sharding(
            shard_size or layout.shard_size(problem.num_components),
            average,
            layout.chunk_rows(problem.rows.shape[1]) if problem.streamed else None,
        )

        def of_shards(rows: Any, first: Mixture) -> sharded.ShardedFit:
            return sharded.fit(
                k_shards,
                rows,
                problem.found.usable,
                first,
                problem.options,
                sharding,
                ordered=start != "kmeans++",  # its components have no meaning
            )

        fit = problems.solve(problem, drawn, of_shards)
    problems.warn(fit.health, options, "latents", "variance_floor")
    return fit


def kmeanspp(
    latents: Any, num_components: int, *, seed: int | Key = 0, mask: Any = None
) -> Mixture:
    """The mixture where `fit_mixture` starts: k-means++ on a random subset.

    Distances are those of standardised columns.

    Args:
      latents: [n, d], as in `fit_mixture`.
      num_components: k.
      seed: an integer or a key.
      mask: [n], rows that count; None: all.

    Returns:
      [k], [k, d], [k, d], float64.

    Raises:
      ValueError: an argument cannot be used, or no row is left.
    """
    with pinned():
        problem = problems.pose(latents, mask, num_components, em.Options(1))
        return problem.frame.outward(
            problems.begin(problem, "kmeans++", given.key(seed))
        )


def _options(
    num_iters: Any, tolerance: Any, variance_floor: Any, covariance: Any
) -> em.Options:
    share = given.real(variance_floor, "variance_floor", positive=True)
    return em.Options(
        given.whole(num_iters, "num_iters"),
        None if tolerance is None else given.real(tolerance, "tolerance"),
        Floor(share, unit=1.0),
        given.covariance(covariance),
    )
