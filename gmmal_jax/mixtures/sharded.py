"""One mixture from fits of shards, on the host: deal, fit, realign, average.

What the fits for everyone (`api`) and a learner's refit of the pool (`refit`) share.
"""

import functools
from typing import Any, Literal, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import shares
from gmmal_jax.mixtures import em, merge, steps
from gmmal_jax.mixtures.frame import take
from gmmal_jax.types import Key, Mixture, Team


class Sharding(NamedTuple):
    """How rows are cut into shards, and what these weigh.

    Attributes:
      size: most rows a shard.
      average: weight of a shard's component, its points or one.
      chunk_rows: rows on the device at once; None: all.
    """

    size: int
    average: Literal["count", "equal"] = "count"
    chunk_rows: int | None = None


class ShardedFit(NamedTuple):
    """An average and the fits behind it.

    Attributes:
      mixture: [k], [k, d], [k, d], the average.
      shards: [s, k], [s, k, d], [s, k, d], components not realigned; None for an
        exact fit.
      info: how each fit went, [s, ...], on the host.
    """

    mixture: Mixture
    shards: Mixture | None
    info: em.EMInfo


class Summary(NamedTuple):
    """How the fits of all shards went together; empty shards say nothing.

    Attributes:
      log_likelihood: [t], nats per row under the shards' own mixtures.
      live: components with points in any shard.
      rows_dropped: rows that the mask admits but that are not finite.
      rho: the largest health figure (`em.EMInfo`); 0 without any row.
      floored: [d], dimensions where the floor is the variance of every component, in
        every shard.
    """

    log_likelihood: np.ndarray
    live: int
    rows_dropped: int
    rho: float
    floored: np.ndarray


def fit(
    key: Key,
    latents: Any,
    rows: Any,
    start: Mixture,
    options: em.Options,
    sharding: Sharding,
    *,
    ordered: bool,
    team: Team | None = None,
) -> ShardedFit:
    """Fit every shard of the rows from one start, realign components, and average.

    Args:
      key: seeds the deal.
      latents: [n, d], framed, NumPy or JAX, where they lie.
      rows: [n], boolean, rows that count.
      start: [k], [k, d], [k, d], of all shards.
      options: of each fit.
      sharding: see `Sharding`.
      ordered: the order of the start's components means something and is kept;
        otherwise all are matched to shard 0, which always has rows.
      team: devices that fit some of the shards each, of latents on the host; None, and
        where there is one shard: one.

    Source: section 3.2, batch averaging.
    """
    chex.assert_shape(rows, (len(latents),))
    indices, filled = em.to_shards(key, jnp.asarray(rows), shard_size=sharding.size)
    if team and len(indices) > 1:
        shards, info = _fit_by(team, latents, indices, filled, start, options)
    else:
        shards, info = _fit_here(latents, indices, filled, start, options, sharding)
    reference = start if ordered else jax.tree.map(lambda values: values[0], shards)
    mixture = merge.merge(shards, info.counts, reference, average=sharding.average)
    return ShardedFit(mixture, shards, jax.tree.map(np.asarray, info))


def _fit_here(
    latents: Any,
    indices: jax.Array,
    filled: jax.Array,
    start: Mixture,
    options: em.Options,
    sharding: Sharding,
) -> tuple[Mixture, em.EMInfo]:
    fits = [
        em.fit_shards(take(latents, some), counted, start, **options._asdict())
        for some, counted in _groups(indices, filled, sharding.chunk_rows)
    ]
    joined: tuple[Mixture, em.EMInfo] = fits[0]
    return joined if len(fits) == 1 else jax.tree.map(_concatenate, *fits)


def _fit_by(
    team: Team,
    latents: Any,
    indices: jax.Array,
    filled: jax.Array,
    start: Mixture,
    options: em.Options,
) -> tuple[Mixture, em.EMInfo]:
    """Each device fits some of the shards; empty ones fill up."""
    dealt = shares.placed(team, latents, np.asarray(indices))
    counted = shares.placed(team, filled)
    fits: Any = shares.run(team, _fit_own, (dealt, counted), start, options=options)
    found: tuple[Mixture, em.EMInfo]
    found = jax.tree.map(lambda values: values[: len(indices)], fits)
    return found


def _fit_own(
    shards: tuple[jax.Array, ...], start: Mixture, *, axis: str, options: em.Options
) -> Any:
    fits = em.fit_shards(*shards, start, **options._asdict())
    return jax.tree.map(functools.partial(shares.joined, axis=axis), fits)


def as_one_shard(info: em.EMInfo) -> em.EMInfo:
    """How an exact fit went, in the form of shards: [1, ...], on the host."""
    one: em.EMInfo = jax.tree.map(lambda values: np.asarray(values)[None], info)
    return one


def history(info: em.EMInfo) -> np.ndarray:
    """Log-likelihoods [s, t], float64, of the iterations that the slowest shard did."""
    values = np.asarray(info.log_likelihood, np.float64)
    return values[:, : info.iterations.max()]


def summary(info: em.EMInfo) -> Summary:
    """Sum up fits [s, ...] on the host."""
    num_rows = info.counts.sum(axis=1, dtype=np.float64)
    total, filled = num_rows.sum() or 1.0, num_rows > 0
    return Summary(
        log_likelihood=np.asarray(num_rows @ history(info) / total),
        live=int((info.counts > steps.DEAD_COUNT).any(axis=0).sum()),
        rows_dropped=int(info.rows_dropped.sum()),
        rho=float(np.where(filled, info.rho, 0.0).max()),
        floored=np.asarray(info.floored)[filled].all(axis=0) & filled.any(),
    )


def _groups(
    indices: jax.Array, filled: jax.Array, chunk_rows: int | None
) -> list[tuple[Any, Any]]:
    """Shards that go to the device together, at least one."""
    if chunk_rows is None:
        return [(indices, filled)]
    num_shards, size = indices.shape
    group = max(1, chunk_rows // size)
    return [
        (np.asarray(indices)[first : first + group], filled[first : first + group])
        for first in range(0, num_shards, group)
    ]


def _concatenate(*parts: jax.Array) -> jax.Array:
    return jnp.concatenate(parts)
