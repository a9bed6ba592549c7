"""The two fits a learner asks for, on the host, as configured.

The one place of the package that reads a whole `MixtureConfig`: the other modules
take plain arguments. Shapes depend on the pool and the configuration only, so the
jitted parts compile once however the masks change.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax import shares
from gmmal_jax.config import MixtureConfig
from gmmal_jax.mixtures import classwise, em, layout, sharded, start, stream
from gmmal_jax.mixtures.frame import gather
from gmmal_jax.mixtures.moments import Floor
from gmmal_jax.types import Key, Mixture, Streamed, Team

_Host = np.ndarray | Array
_Latents = Float[_Host, "n d"] | Streamed
_START_ROWS = 20_000
"""Rows, at random, among which a fit of streamed latents starts absent classes."""

_SMALL = 2.0**-30
"""Latents below this, or above its reciprocal, are fitted in other units."""
_DEAD = Floor(dead_share=1e-4)
"""Latents have one unit and come out of a ReLU: a nearly dead feature is judged by the
others, so that it cannot rule the mixture (A4)."""


def latent_floor(config: MixtureConfig, mean_share: float = 0.0) -> Floor:
    """The floor of a run's mixtures.

    Args:
      config: reads variance_floor.
      mean_share: as in `moments.Floor`.

    Source: ours (A4).
    """
    return _DEAD._replace(share=config.variance_floor, mean_share=mean_share)


class RefitInfo(NamedTuple):
    """How a refit of the pool went.

    Attributes:
      live: components with points; of a sharded fit, in any shard.
      rows_dropped: rows that the mask admits but that are not finite.
      rho: the largest health figure of a fit (`em.EMInfo`).
      log_likelihood: nats per row before the last M step, under the shards' own
        mixtures if the fit is sharded.
    """

    live: float
    rows_dropped: float
    rho: float
    log_likelihood: float


def fit_labeled(
    latents: _Latents,
    labels: Int[_Host, " n"],
    mask: Bool[_Host, " n"],
    num_classes: int,
    config: MixtureConfig,
    team: Team | None = None,
) -> Mixture:
    """Fit the labeled mixture: one component a class.

    Args:
      latents: [n, d]; of streamed ones, and where a team shares them, the labeled rows
        alone are read: they are few, and one device is enough.
      labels: [n], -1 where no label was bought.
      mask: [n], rows that count.
      num_classes: c.
      config: reads labeled_mode, labeled_weights, covariance, variance_floor and
        shrinkage; average and shard_size if labeled_mode is `sharded`.
      team: as in `fit_pool`.

    Returns:
      [c], [c, d], [c, d]; absent classes have weight exactly 0.

    Source: section 3.2.
    """
    if isinstance(latents, Streamed) or shares.worth(team, latents):
        rows = np.flatnonzero(np.asarray(mask) & (np.asarray(labels) >= 0))
        latents, labels, mask = latents[rows], labels[rows], mask[rows]
    latents, labels, mask = (jnp.asarray(x) for x in (latents, labels, mask))
    chex.assert_rank(latents, 2)
    chex.assert_shape([labels, mask], latents.shape[:1])
    unit = _unit(latents)
    fitted = _fit_labeled(_divided(latents, unit), labels, mask, num_classes, config)
    return _in_units(fitted, unit)


def _fit_labeled(
    latents: jax.Array,
    labels: jax.Array,
    mask: jax.Array,
    num_classes: int,
    config: MixtureConfig,
) -> Mixture:
    options: dict[str, Any] = {
        "num_classes": num_classes,
        "covariance": config.covariance,
        "floor": latent_floor(config),
        "shrinkage": config.shrinkage,
        "weights": config.labeled_weights,
    }
    if config.labeled_mode == "exact":
        return _fit_classes(latents, labels, mask, **options)
    # Equal labeled sets give equal mixtures: the split has a key of its own.
    size = _shard_size(config, num_classes)
    known = mask & (labels >= 0)
    indices, filled = em.to_shards(jax.random.key(0), known, shard_size=size)
    latents, labels = (gather(x, indices) for x in (latents, labels))
    return _fit_class_shards(latents, labels, filled, average=config.average, **options)


def fit_pool(
    key: Key,
    latents: _Latents,
    mask: Bool[_Host, " n"],
    start_from: Mixture,
    config: MixtureConfig,
    previous: Mixture | None = None,
    team: Team | None = None,
) -> tuple[Mixture, RefitInfo]:
    """Fit the unlabeled mixture by EM, on shards or exactly.

    Args:
      key: seeds the start and the assignment of rows to shards.
      latents: [n, d]; of streamed ones shards are read in groups, and absent classes
        start at some of the rows.
      mask: [n], rows that count.
      start_from: the labeled mixture, [k], [k, d], [k, d].
      config: reads init, mode, shard_size, average, covariance, em_iters and
        variance_floor.
      previous: the last fit, where `init=previous` starts; the labeled mixture
        stands in where there is none yet.
      team: devices that share the rows, or the shards, of latents on the host where
        that is worth it; None: one device.

    Returns:
      The mixture, [k], [k, d], [k, d], and how the fit went.

    Source: section 3.2.
    """
    k_start, k_shards = jax.random.split(key)
    team = shares.worth(team, latents)
    some: Any
    counted: Any
    if isinstance(latents, Streamed):
        rows = _some_rows(key, np.asarray(mask))
        some, counted = jnp.asarray(latents[rows]), jnp.ones(len(rows), bool)
    else:
        some, counted = (shares.placed(team, each) for each in (latents, mask))
    unit = _unit(some, team)
    some = _divided(some, unit)
    start_from = _in_units(start_from, 1 / unit)
    previous = None if previous is None else _in_units(previous, 1 / unit)
    first = _start(k_start, some, counted, start_from, config, previous, team)
    if isinstance(latents, Streamed):
        scaled = _streamed_in(latents, unit)
        mixture, info = _fit_streamed(k_shards, scaled, np.asarray(mask), first, config)
    else:
        if team and config.mode == "sharded":
            # Of shards, too, each device is sent its own.
            some, counted = _divided(latents, unit), mask
        mixture, info = _fit_held(k_shards, some, counted, first, config, team)
    nats = info.log_likelihood - latents.shape[1] * math.log(unit)
    return _in_units(mixture, unit), info._replace(log_likelihood=nats)


def _some_rows(key: Key, mask: np.ndarray) -> np.ndarray:
    """Rows that a start is drawn among, where not all are at hand; ascending."""
    rows = np.flatnonzero(mask)
    if len(rows) > _START_ROWS:
        generator = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        rows = np.sort(generator.choice(rows, _START_ROWS, replace=False))
    return rows


def _streamed_in(latents: Streamed, unit: float) -> Streamed:
    if unit == 1:
        return latents
    return dataclasses.replace(latents, read=lambda rows: latents.read(rows) / unit)


def _fit_streamed(
    key: Key,
    latents: Streamed,
    mask: np.ndarray,
    first: Mixture,
    config: MixtureConfig,
) -> tuple[Mixture, RefitInfo]:
    if config.mode == "exact":
        options = _em_options(config)._asdict()
        mixture, info = stream.fit(latents, mask, first, **options)
        return mixture, _info(sharded.as_one_shard(info))
    rows = layout.chunk_rows(latents.shape[1])
    return _fit_shards(key, latents, jnp.asarray(mask), first, config, rows)


def _fit_held(
    key: Key,
    latents: Any,
    mask: Any,
    first: Mixture,
    config: MixtureConfig,
    team: Team | None,
) -> tuple[Mixture, RefitInfo]:
    if config.mode == "exact":
        rows = (latents, mask)
        options = _em_options(config)
        mixture, info = shares.run(team, _exactly, rows, first, options=options)
        return mixture, _info(sharded.as_one_shard(info))
    return _fit_shards(key, latents, mask, first, config, team=team)


def _fit_shards(
    key: Key,
    latents: Any,
    mask: Any,
    first: Mixture,
    config: MixtureConfig,
    chunk_rows: int | None = None,
    team: Team | None = None,
) -> tuple[Mixture, RefitInfo]:
    size = _shard_size(config, first.weights.shape[0])
    fitted = sharded.fit(
        key,
        latents,
        mask,
        first,
        _em_options(config),
        sharded.Sharding(size, config.average, chunk_rows),
        ordered=config.init != "kmeans++",  # its components have no meaning
        team=team,
    )
    return fitted.mixture, _info(fitted.info)


def _exactly(
    rows: tuple[jax.Array, ...],
    first: Mixture,
    *,
    axis: str | None,
    options: em.Options,
) -> tuple[Mixture, em.EMInfo]:
    fitted: tuple[Mixture, em.EMInfo]
    fitted = em.fit(*rows, first, **options._asdict(), axis=axis)
    return fitted


def _em_options(config: MixtureConfig) -> em.Options:
    floor = latent_floor(config)
    return em.Options(config.em_iters, floor=floor, covariance=config.covariance)


def _start(
    key: Key,
    latents: jax.Array,
    mask: jax.Array,
    labeled: Mixture,
    config: MixtureConfig,
    previous: Mixture | None,
    team: Team | None,
) -> Mixture:
    """Where EM begins, as configured."""
    begin: Mixture
    rows = (latents, mask)
    if config.init == "kmeans++":
        num_components = labeled.weights.shape[0]
        begin = shares.run(team, _drawn, rows, key, num_components=num_components)
    elif config.init == "previous" and previous is not None:
        begin = previous
    else:
        begin = shares.run(team, _completed, rows, (key, labeled))
    return begin


def _drawn(
    rows: tuple[jax.Array, ...], key: Key, *, axis: str | None, num_components: int
) -> Mixture:
    begin: Mixture = start.kmeanspp(
        key, *rows, num_components=num_components, floor=_DEAD, axis=axis
    )
    return begin


def _completed(
    rows: tuple[jax.Array, ...], alike: tuple[Key, Mixture], *, axis: str | None
) -> Mixture:
    begin: Mixture = start.complete(*alike, *rows, floor=_DEAD, axis=axis)
    return begin


def _unit(latents: jax.Array, team: Team | None = None) -> float:
    """What to divide latents by: 1, unless float32 has no room for their squares."""
    peak = float(shares.run(team, _peak_of, (latents,)))
    if peak == 0 or _SMALL <= peak < 1 / _SMALL:
        return 1.0
    return math.ldexp(1.0, math.frexp(peak)[1])


def _peak_of(
    rows: tuple[jax.Array], alike: tuple[()], *, axis: str | None
) -> jax.Array:
    return shares.greatest(_peak(*rows), axis)


def _divided(latents: Any, unit: float) -> Any:
    return latents if unit == 1 else latents / unit


def _in_units(mixture: Mixture, unit: float) -> Mixture:
    """A mixture of latents, as one of latents that are so many times larger."""
    if unit == 1:
        return mixture
    means, variances = mixture.means * unit, mixture.variances * unit * unit
    return mixture._replace(means=means, variances=variances)


@jax.jit
def _peak(latents: jax.Array) -> jax.Array:
    return jnp.where(jnp.isfinite(latents), jnp.abs(latents), 0.0).max(initial=0.0)


_STATIC = ("num_classes", "covariance", "floor", "shrinkage", "weights")
_fit_classes: Callable[..., Mixture]
_fit_classes = jax.jit(classwise.fit, static_argnames=_STATIC)
_fit_class_shards: Callable[..., Mixture]
_fit_class_shards = jax.jit(classwise.fit_shards, static_argnames=(*_STATIC, "average"))


def _shard_size(config: MixtureConfig, num_components: int) -> int:
    return config.shard_size or layout.shard_size(num_components)


def _info(info: em.EMInfo) -> RefitInfo:
    found = sharded.summary(info)
    return RefitInfo(
        live=float(found.live),
        rows_dropped=float(found.rows_dropped),
        rho=found.rho,
        log_likelihood=float(found.log_likelihood[-1]),
    )
