"""Mixtures for those who come for nothing else: one call, any array, one record.

Host functions: `em.fit` is behind them, `stream.fit` for arrays that the device should
not hold whole, and `sharded.fit`.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.mixtures import em, layout, sharded, start as starts, stream
from gmmal_jax.mixtures.moments import Covariance
from gmmal_jax.types import Key, Mixture

_START_ROWS = 10_000
"""k-means++ draws from at most so many random rows (or 50 a component)."""


class Shards(NamedTuple):
    """The fits that were averaged.

    Attributes:
      mixtures: [s, k], [s, k, d], [s, k, d], components not realigned.
      counts: [s, k], points per component; all 0 for an empty shard.
      log_likelihood: [s, t], nats per row of the shard under its own mixture.
    """

    mixtures: Mixture
    counts: np.ndarray
    log_likelihood: np.ndarray


class MixtureFit(NamedTuple):
    """A fitted mixture and how the fit went.

    Attributes:
      mixture: [k], [k, d], [k, d].
      log_likelihood: [t], nats per row under the mixture that entered each
        iteration; of a sharded fit, under the shards' own mixtures.
      iterations: t, those done (by the slowest shard).
      converged: a tolerance was given and met (by every shard).
      live: components with points; of a sharded fit, in any shard.
      rows_dropped: rows that the mask admits but that are not finite.
      rho: health figure of the float32 arithmetic; above some 500 (`em.EMInfo`)
        log-likelihoods deserve distrust.
      shards: the fits behind an average; None for an exact fit.
    """

    mixture: Mixture
    log_likelihood: np.ndarray
    iterations: int
    converged: bool
    live: int
    rows_dropped: int
    rho: float
    shards: Shards | None = None


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
    """Fit a Gaussian mixture with diagonal covariances by exact EM, in float32.

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
    latents, rows = _checked(latents, mask, num_components, num_iters, covariance)
    _check_numbers(tolerance, variance_floor)
    if isinstance(start, str):
        start = _drawn(start, _key(seed), latents, rows, num_components)
    start = _checked_start(start, num_components, latents.shape[1])
    options = em.Options(num_iters, tolerance, float(variance_floor), covariance)
    if _is_large(latents, resident_bytes):
        mixture, info = stream.fit(latents, rows, start, **options._asdict())
    else:
        latents = jnp.asarray(latents, jnp.float32)
        mixture, info = em.fit(latents, jnp.asarray(rows), start, **options._asdict())
    return _record(mixture, sharded.as_one_shard(info), tolerance, None)


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
    latents, rows = _checked(latents, mask, num_components, num_iters, covariance)
    _check_numbers(tolerance, variance_floor)
    if average not in ("count", "equal"):
        raise ValueError(f"average must be 'count' or 'equal', not {average!r}")
    size = layout.shard_size(num_components) if shard_size is None else shard_size
    if size < 1:
        raise ValueError(f"shard_size must be at least 1, not {size}")
    k_start, k_shards = jax.random.split(_key(seed))
    drawn = isinstance(start, str)
    if isinstance(start, str):
        start = _drawn(start, k_start, latents, rows, num_components)
    start = _checked_start(start, num_components, latents.shape[1])
    chunk_rows = None
    if _is_large(latents, resident_bytes):
        chunk_rows = layout.chunk_rows(latents.shape[1])
    fitted = sharded.fit(
        k_shards,
        latents,
        rows,
        start,
        em.Options(num_iters, tolerance, float(variance_floor), covariance),
        sharded.Sharding(size, average, chunk_rows),
        ordered=not drawn,  # k-means++ components have no meaning of their own
    )
    info = fitted.info
    counts = np.asarray(info.counts)
    shards = Shards(fitted.shards, counts, sharded.history(info))
    return _record(fitted.mixture, info, tolerance, shards)


def kmeanspp(
    latents: Any, num_components: int, *, seed: int | Key = 0, mask: Any = None
) -> Mixture:
    """The mixture where `fit_mixture` starts: k-means++ on a random subset.

    Args:
      latents: [n, d], as in `fit_mixture`.
      num_components: k.
      seed: an integer or a key.
      mask: [n], rows that count; None: all.

    Returns:
      [k], [k, d], [k, d].

    Raises:
      ValueError: an argument cannot be used, or no row is left.
    """
    latents, rows = _checked(latents, mask, num_components, 1, "diag")
    return _kmeanspp(_key(seed), latents, rows, num_components)


def _record(
    mixture: Mixture,
    info: em.EMInfo,
    tolerance: float | None,
    shards: Shards | None,
) -> MixtureFit:
    """The record of fits [s, ...]; empty shards say nothing."""
    filled = info.counts.sum(axis=1) > 0
    if not filled.any():
        raise ValueError("no row is left: all are masked or not finite")
    history = sharded.history(info)
    gains = history[:, -1] - history[:, -2] if history.shape[1] > 1 else np.inf
    met = tolerance is not None and bool(np.all((gains < tolerance) | ~filled))
    return MixtureFit(
        mixture=mixture,
        iterations=history.shape[1],
        converged=met,
        shards=shards,
        **sharded.summary(info)._asdict(),
    )


def _checked(
    latents: Any, mask: Any, num_components: int, num_iters: int, covariance: str
) -> tuple[Any, np.ndarray]:
    """The rows as an array [n, d] where they lie, and which count, [n]."""
    if not isinstance(latents, jax.Array | np.ndarray):
        latents = np.asarray(latents)
    if latents.ndim != 2 or 0 in latents.shape:
        raise ValueError(f"latents must be [rows, dimensions], not {latents.shape}")
    if latents.dtype.kind not in "fiub" and latents.dtype != jnp.bfloat16:
        raise ValueError(f"latents must be real numbers, not {latents.dtype}")
    if num_components < 1:
        raise ValueError(f"num_components must be at least 1, not {num_components}")
    if num_iters < 1:
        raise ValueError(f"num_iters must be at least 1, not {num_iters}")
    if covariance not in get_args(Covariance):
        raise ValueError(
            f"covariance must be one of {get_args(Covariance)}, not {covariance!r}"
        )
    num_rows = latents.shape[0]
    rows = np.ones(num_rows, bool) if mask is None else np.asarray(mask)
    if rows.shape != (num_rows,) or rows.dtype != bool:
        raise ValueError(
            f"mask must be {num_rows} booleans, not {rows.dtype} {rows.shape}"
        )
    if not rows.any():
        raise ValueError("no row is left: the mask is false everywhere")
    return latents, rows


def _check_numbers(tolerance: float | None, variance_floor: float) -> None:
    if tolerance is not None and not tolerance >= 0:
        raise ValueError(f"tolerance must be None or at least 0, not {tolerance}")
    if not 0 < variance_floor < np.inf:
        raise ValueError(f"variance_floor must be positive, not {variance_floor}")


def _checked_start(start: Mixture, num_components: int, dims: int) -> Mixture:
    start = Mixture(*(jnp.asarray(values, jnp.float32) for values in start))
    wide = (num_components, dims)
    shapes = tuple(values.shape for values in start)
    if shapes != ((num_components,), wide, wide):
        raise ValueError(f"start must be of {wide} components, its arrays are {shapes}")
    finite = all(bool(jnp.isfinite(values).all()) for values in start)
    if not finite or float(start.variances.min()) < 0 or float(start.weights.min()) < 0:
        raise ValueError("start must be finite, its weights and variances not negative")
    return start


def _key(seed: int | Key) -> Key:
    return seed if isinstance(seed, jax.Array) else jax.random.key(seed)


def _drawn(
    start: str, key: Key, latents: Any, rows: np.ndarray, num_components: int
) -> Mixture:
    if start != "kmeans++":
        raise ValueError(f"start must be a mixture or 'kmeans++', not {start!r}")
    return _kmeanspp(key, latents, rows, num_components)


def _kmeanspp(key: Key, latents: Any, rows: np.ndarray, num_components: int) -> Mixture:
    """Start on a subset, the same one wherever the rows lie."""
    k_rows, k_start = jax.random.split(key)
    candidates = np.flatnonzero(rows)
    most = max(_START_ROWS, 50 * num_components)
    if candidates.size > most:
        seed = np.asarray(jax.random.key_data(k_rows))
        chosen = np.random.default_rng(seed).choice(candidates, most, replace=False)
        candidates = np.sort(chosen)
    sample = sharded.take(latents, candidates)
    every = jnp.ones(candidates.size, bool)
    drawn: Mixture = starts.kmeanspp(
        k_start, sample, every, num_components=num_components
    )
    return drawn


def _is_large(latents: Any, resident_bytes: int | None) -> bool:
    limit = layout.resident_bytes() if resident_bytes is None else resident_bytes
    return isinstance(latents, np.ndarray) and 4 * latents.size > limit
