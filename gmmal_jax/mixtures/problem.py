"""Rows to fit in their frame: posed, begun, solved, and the record of it.

Rows come in any units and precision: they are brought into a frame (`frame`) before
they are cast, and the answer back out of it.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.errors import PrecisionWarning
from gmmal_jax.mixtures import (
    em,
    frame,
    given,
    layout,
    sharded,
    start as starts,
    stream,
)
from gmmal_jax.mixtures.frame import Found, Frame, Framed, on_device, on_host
from gmmal_jax.mixtures.moments import Floor
from gmmal_jax.mixtures.spread import is_narrow
from gmmal_jax.switches import pinned
from gmmal_jax.types import Key, Mixture

_START_ROWS = 10_000
"""k-means++ draws from at most so many random rows (or 50 a component)."""
_HEALTHY_DOUBLE = em.HEALTHY * 2**29
"""Nor is float64 above this one: it has 29 binary digits more."""

Precision = Literal["float32", "float64"]


class Health(NamedTuple):
    """How far the numbers of a fit can be trusted.

    Attributes:
      rho: how many times its rounding the arithmetic loses; above 500 float32 was not
        enough (`em.EMInfo`) and the fit was done again in float64.
      precision: of the arithmetic.
      floored: [d], columns where the floor is the variance of every component: they
        are narrower than they look. Constant columns are not counted.
      blurred: [d], columns that vary by so few spacings of their own numbers that the
        input's precision has lost digits of them.
    """

    rho: float
    precision: Precision
    floored: np.ndarray
    blurred: np.ndarray


class Shards(NamedTuple):
    """The fits that were averaged.

    Attributes:
      mixtures: [s, k], [s, k, d], [s, k, d], components not realigned; float64.
      counts: [s, k], points per component; all 0 for an empty shard.
      log_likelihood: [s, t], nats per row of the shard under its own mixture.
    """

    mixtures: Mixture
    counts: np.ndarray
    log_likelihood: np.ndarray


class MixtureFit(NamedTuple):
    """A fitted mixture and how the fit went.

    Attributes:
      mixture: [k], [k, d], [k, d], float64, in the units of the rows.
      log_likelihood: [t], nats per row under the mixture that entered each
        iteration; of a sharded fit, under the shards' own mixtures.
      iterations: t, those done (by the slowest shard).
      converged: a tolerance was given and met (by every shard).
      live: components with points; of a sharded fit, in any shard.
      rows_dropped: rows that the mask admits but that are not finite.
      health: how far the numbers can be trusted.
      shards: the fits behind an average; None for an exact fit.
    """

    mixture: Mixture
    log_likelihood: np.ndarray
    iterations: int
    converged: bool
    live: int
    rows_dropped: int
    health: Health
    shards: Shards | None = None

    @property
    def rho(self) -> float:
        """`health.rho`."""
        return self.health.rho


class Problem(NamedTuple):
    """Rows to fit, where they lie, and the frame they are fitted in.

    Attributes:
      rows: [n, d], NumPy or JAX.
      rows_dropped: rows that are asked for, but not finite.
      num_components: k.
      options: of each fit.
      found: the frame of the rows, and which of them count.
      streamed: whether the device should not hold them whole.
    """

    rows: Any
    rows_dropped: int
    num_components: int
    options: em.Options
    found: Found
    streamed: bool

    @property
    def frame(self) -> Frame:
        """`found.frame`."""
        return self.found.frame

    def within(self, dtype: Any = np.float32) -> Framed:
        """The rows in their frame, as they are asked for."""
        wide = dtype == np.float64
        return Framed(np.asarray(self.rows) if wide else self.rows, self.frame, dtype)


def pose(
    latents: Any,
    mask: Any,
    num_components: Any,
    options: em.Options,
    resident_bytes: Any = None,
    name: str = "latents",
) -> Problem:
    """Check rows and bring them to a frame; `name` is what messages call them."""
    rows = given.rows(latents, name)
    precision = rows.dtype
    counted = given.mask(mask, rows.shape[0])
    num_components = given.whole(num_components, "num_components")
    limit = layout.resident_bytes()
    if resident_bytes is not None:
        limit = given.whole(resident_bytes, "resident_bytes", least=0)
    streamed = isinstance(rows, np.ndarray) and 4 * rows.size > limit
    if not streamed and is_narrow(rows.dtype):
        rows = jnp.asarray(rows, jnp.float32)
    try:
        found = frame.of_rows(rows, counted, options.covariance, precision)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not found.usable.any():
        raise ValueError("no row is left: all are masked or not finite")
    dropped = int(counted.sum()) - int(found.usable.sum())
    return Problem(rows, dropped, num_components, options, found, streamed)


def begin(problem: Problem, start: Any, key: Key) -> Mixture:
    """The start of a fit within the problem's frame, float64."""
    if isinstance(start, str) and start == "kmeans++":
        return _kmeanspp(key, problem)
    dims = problem.rows.shape[1]
    return problem.frame.inward(given.start(start, problem.num_components, dims))


def solve(
    problem: Problem,
    start: Mixture,
    fit: Callable[[Framed, Mixture], sharded.ShardedFit] | None = None,
) -> MixtureFit:
    """Fit, in float32 if that is enough, and say how it went.

    Args:
      problem: rows and their frame.
      start: where to begin, within.
      fit: fits rows [n, d] within from a start; None: exact EM.
    """
    fit = fit or functools.partial(_exact, problem)
    precision: Precision = "float32"
    fitted = fit(problem.within(), on_device(start, np.float32))
    if not _is_enough(fitted):
        precision = "float64"
        with pinned(double=True):
            fitted = fit(problem.within(np.float64), on_device(start, np.float64))
            fitted = jax.tree.map(np.asarray, fitted)
    return _record(problem, fitted, precision)


def warn(
    health: Health, options: em.Options, rows: str, floor: str, stacklevel: int = 3
) -> None:
    """Tell a fit's caller in a line each what was lost.

    Args:
      health: of the fit.
      options: of the fit.
      rows: what the caller calls the rows.
      floor: what the caller calls the floor of variances.
      stacklevel: how far up the caller is.
    """
    lines = []
    if health.blurred.any():
        lines.append(
            f"{rows}: {_columns(health.blurred)} by hardly more than the spacing of "
            "their own numbers, which are rounded; subtract an offset before they "
            "are stored"
        )
    if health.floored.any():
        lines.append(
            f"{rows}: {_columns(health.floored)} less within components than "
            f"{floor}={options.floor.share:g} allows, which is the variance of all of "
            "them there; a smaller one tells them apart"
        )
    if not health.rho <= _HEALTHY_DOUBLE:
        lines.append(
            f"{rows}: components lie too far apart for their width (rho "
            f"{health.rho:.1e}): float64 has no digits left for their log-likelihoods"
        )
    for line in lines:
        warnings.warn(line, PrecisionWarning, stacklevel=stacklevel)


def _exact(problem: Problem, rows: Framed, start: Mixture) -> sharded.ShardedFit:
    dtype, usable = start.means.dtype, problem.found.usable
    data = jax.tree.map(lambda x: jnp.asarray(x, dtype), problem.found.data)
    known: dict[str, Any] = {"data": data, **problem.options._asdict()}
    # What the device brings within by itself, it does as it reads: without a copy.
    raw: Any = problem.rows if rows.affine else rows
    if problem.streamed:
        mixture, info = stream.fit(raw, usable, start, affine=rows.affine, **known)
    else:
        placed = raw if rows.affine else rows[:]
        counted = jnp.asarray(usable)
        mixture, info = em.fit(placed, counted, start, affine=rows.affine, **known)
    return sharded.ShardedFit(mixture, None, sharded.as_one_shard(info))


def _is_enough(fitted: sharded.ShardedFit) -> bool:
    finite = all(bool(np.isfinite(np.asarray(x)).all()) for x in fitted.mixture)
    return finite and sharded.summary(fitted.info).rho <= em.HEALTHY


def _record(
    problem: Problem, fitted: sharded.ShardedFit, precision: Precision
) -> MixtureFit:
    """The record of fits [s, ...]; empty shards say nothing."""
    info, tolerance = fitted.info, problem.options.tolerance
    filled = info.counts.sum(axis=1) > 0
    history = sharded.history(info)
    gains = history[:, -1] - history[:, -2] if history.shape[1] > 1 else np.inf
    met = tolerance is not None and bool(np.all((gains < tolerance) | ~filled))
    nats, outward = problem.frame.nats, problem.frame.outward
    found = sharded.summary(info)
    shards = None
    if fitted.shards is not None:
        own = np.where(filled[:, None], history - nats, 0.0)
        shards = Shards(outward(fitted.shards), np.asarray(info.counts), own)
    return MixtureFit(
        mixture=outward(fitted.mixture),
        log_likelihood=found.log_likelihood - nats,
        iterations=history.shape[1],
        converged=met,
        live=found.live,
        rows_dropped=problem.rows_dropped,
        health=Health(found.rho, precision, found.floored, problem.found.blurred),
        shards=shards,
    )


def _kmeanspp(key: Key, problem: Problem) -> Mixture:
    """Start on a subset, the same one wherever the rows lie."""
    k_rows, k_start = jax.random.split(key)
    candidates = np.flatnonzero(problem.found.usable)
    most = max(_START_ROWS, 50 * problem.num_components)
    if candidates.size > most:
        seed = np.asarray(jax.random.key_data(k_rows))
        chosen = np.random.default_rng(seed).choice(candidates, most, replace=False)
        candidates = np.sort(chosen)
    drawn = starts.kmeanspp(
        k_start,
        problem.within()[candidates],
        jnp.ones(candidates.size, bool),
        num_components=problem.num_components,
        floor=Floor(unit=1.0),
    )
    return on_host(drawn)


def _columns(which: np.ndarray) -> str:
    """Which columns, and the verb that goes with them."""
    columns = np.flatnonzero(which)
    few = ", ".join(map(str, columns[:5]))
    if columns.size == 1:
        return f"column {few} varies"
    more = f" and {columns.size - 5} others" if columns.size > 5 else ""
    return f"columns {few}{more} vary"
