"""Mixtures for those who come for nothing else: one call, any array, one record.

Host functions; the jitted fits behind them are `em.fit` and `em.fit_shards`, and
`stream.fit` for arrays that the device should not hold whole.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.mixtures import em, layout, merge, start as starts, steps, stream
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
    options: dict[str, Any] = {
        "num_iters": num_iters,
        "tolerance": tolerance,
        "variance_floor": float(variance_floor),
        "covariance": covariance,
    }
    if _is_large(latents, resident_bytes):
        mixture, info = stream.fit(latents, rows, start, **options)
    else:
        latents = jnp.asarray(latents, jnp.float32)
        mixture, info = em.fit(latents, jnp.asarray(rows), start, **options)
    info = jax.tree.map(lambda values: np.asarray(values)[None], info)
    return _record(mixture, info, tolerance, None)


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
    own_order = isinstance(start, str)
    if isinstance(start, str):
        start = _drawn(start, k_start, latents, rows, num_components)
    start = _checked_start(start, num_components, latents.shape[1])
    indices, filled = em.to_shards(k_shards, jnp.asarray(rows), shard_size=size)
    indices = np.asarray(indices)

    num_shards, rows_each = indices.shape
    group = num_shards
    if _is_large(latents, resident_bytes):
        group = max(1, layout.chunk_rows(latents.shape[1]) // rows_each)
    fits = [
        em.fit_shards(
            _take(latents, indices[first : first + group]),
            filled[first : first + group],
            start,
            num_iters=num_iters,
            tolerance=tolerance,
            variance_floor=float(variance_floor),
            covariance=covariance,
        )
        for first in range(0, num_shards, group)
    ]
    shards, info = jax.tree.map(lambda *parts: jnp.concatenate(parts), *fits)
    # k-means++ components have no meaning of their own; shard 0 always has rows.
    reference = jax.tree.map(lambda x: x[0], shards) if own_order else start
    mixture = merge.merge(shards, info.counts, reference, average=average)
    info = jax.tree.map(np.asarray, info)
    return _record(mixture, info, tolerance, Shards(shards, info.counts, _own(info)))


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


def _own(info: em.EMInfo) -> np.ndarray:
    return np.asarray(info.log_likelihood)[:, : info.iterations.max()]


def _record(
    mixture: Mixture,
    info: em.EMInfo,
    tolerance: float | None,
    shards: Shards | None,
) -> MixtureFit:
    """Sum up fits [s, ...]; empty shards say nothing."""
    num_rows = info.counts.sum(axis=1, dtype=np.float64)
    filled = num_rows > 0
    if not filled.any():
        raise ValueError("no row is left: all are masked or not finite")
    history = _own(info)
    gains = history[:, -1] - history[:, -2] if history.shape[1] > 1 else np.inf
    met = tolerance is not None and bool(np.all((gains < tolerance) | ~filled))
    return MixtureFit(
        mixture=mixture,
        log_likelihood=np.asarray(num_rows @ history / num_rows.sum()),
        iterations=history.shape[1],
        converged=met,
        live=int((info.counts > steps.DEAD_COUNT).any(axis=0).sum()),
        rows_dropped=int(info.rows_dropped.sum()),
        rho=float(info.rho[filled].max()),
        shards=shards,
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
    sample = _take(latents, candidates)
    every = jnp.ones(candidates.size, bool)
    return starts.kmeanspp(k_start, sample, every, num_components=num_components)


def _take(latents: Any, indices: np.ndarray) -> jax.Array:
    """Rows on the device; only these are read from the host."""
    taken = latents[indices]
    if isinstance(taken, np.ndarray):
        taken = np.asarray(taken, np.float32)
    return jnp.asarray(taken, jnp.float32)


def _is_large(latents: Any, resident_bytes: int | None) -> bool:
    limit = layout.resident_bytes() if resident_bytes is None else resident_bytes
    return isinstance(latents, np.ndarray) and 4 * latents.size > limit
