"""The two fits a learner asks for, on the host, as configured.

The one place of the package that reads a whole `MixtureConfig`: the other modules
take plain arguments. Shapes depend on the pool and the configuration only, so the
jitted parts compile once however the masks change.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax.config import MixtureConfig
from gmmal_jax.mixtures import classwise, em, layout, merge, start, steps
from gmmal_jax.types import Key, Mixture

_ArrayLike = np.ndarray | Array


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
    latents: Float[_ArrayLike, "n d"],
    labels: Int[_ArrayLike, " n"],
    mask: Bool[_ArrayLike, " n"],
    num_classes: int,
    config: MixtureConfig,
) -> Mixture:
    """Fit the labeled mixture: one component a class.

    Args:
      latents: [n, d].
      labels: [n], -1 where no label was bought.
      mask: [n], rows that count.
      num_classes: c.
      config: reads labeled_mode, labeled_weights, covariance, variance_floor and
        shrinkage; average and shard_size if labeled_mode is `sharded`.

    Returns:
      [c], [c, d], [c, d]; absent classes have weight exactly 0.

    Source: section 3.2.
    """
    latents, labels, mask = (jnp.asarray(x) for x in (latents, labels, mask))
    if config.labeled_mode == "exact":
        return _fit_classes(
            latents,
            labels,
            mask,
            num_classes=num_classes,
            covariance=config.covariance,
            variance_floor=config.variance_floor,
            shrinkage=config.shrinkage,
            weights=config.labeled_weights,
        )
    # Equal labeled sets give equal mixtures: the split has a key of its own.
    indices, filled = em.to_shards(
        jax.random.key(0),
        mask & (labels >= 0),
        shard_size=_shard_size(config, num_classes),
    )
    return _fit_class_shards(
        _take(latents, indices),
        _take(labels, indices),
        filled,
        num_classes=num_classes,
        average=config.average,
        covariance=config.covariance,
        variance_floor=config.variance_floor,
        shrinkage=config.shrinkage,
        weights=config.labeled_weights,
    )


def fit_pool(
    key: Key,
    latents: Float[_ArrayLike, "n d"],
    mask: Bool[_ArrayLike, " n"],
    start_from: Mixture,
    config: MixtureConfig,
    previous: Mixture | None = None,
) -> tuple[Mixture, RefitInfo]:
    """Fit the unlabeled mixture by EM, on shards or exactly.

    Args:
      key: seeds the start and the assignment of rows to shards.
      latents: [n, d].
      mask: [n], rows that count.
      start_from: the labeled mixture, [k], [k, d], [k, d].
      config: reads init, mode, shard_size, average, covariance, em_iters and
        variance_floor.
      previous: the last fit, where `init=previous` starts; the labeled mixture
        stands in where there is none yet.

    Returns:
      The mixture, [k], [k, d], [k, d], and how the fit went.

    Source: section 3.2.
    """
    latents, mask = jnp.asarray(latents), jnp.asarray(mask)
    k_start, k_shards = jax.random.split(key)
    num_components = start_from.weights.shape[0]
    if config.init == "kmeans++":
        first = start.kmeanspp(k_start, latents, mask, num_components=num_components)
    elif config.init == "previous" and previous is not None:
        first = previous
    else:
        first = start.complete(k_start, start_from, latents, mask)

    if config.mode == "exact":
        mixture, info = em.fit(
            latents,
            mask,
            first,
            num_iters=config.em_iters,
            variance_floor=config.variance_floor,
            covariance=config.covariance,
        )
        return mixture, _summary(jax.tree.map(lambda values: values[None], info))

    shard_size = _shard_size(config, num_components)
    indices, filled = em.to_shards(k_shards, mask, shard_size=shard_size)
    shards, info = em.fit_shards(
        _take(latents, indices),
        filled,
        first,
        num_iters=config.em_iters,
        variance_floor=config.variance_floor,
        covariance=config.covariance,
    )
    if config.init == "kmeans++":
        # Its components have no meaning of their own; rows are dealt to shard 0 first.
        reference = jax.tree.map(lambda values: values[0], shards)
    else:
        reference = first
    mixture = merge.merge(shards, info.counts, reference, average=config.average)
    return mixture, _summary(info)


_fit_classes = jax.jit(
    classwise.fit,
    static_argnames=(
        "num_classes",
        "covariance",
        "variance_floor",
        "shrinkage",
        "weights",
        "axis_name",
    ),
)
_fit_class_shards = jax.jit(
    classwise.fit_shards,
    static_argnames=(
        "num_classes",
        "average",
        "covariance",
        "variance_floor",
        "shrinkage",
        "weights",
    ),
)
# Outside jit, indexing is five programs, each loaded on its own.
_take = jax.jit(lambda rows, indices: rows[indices])


def _shard_size(config: MixtureConfig, num_components: int) -> int:
    return config.shard_size or layout.shard_size(num_components)


def _summary(info: em.EMInfo) -> RefitInfo:
    """Sum up the shards of a fit, [s, ...]; empty ones say nothing."""
    info = jax.tree.map(np.asarray, info)
    num_rows = info.counts.sum(axis=1)
    total = max(float(num_rows.sum()), 1.0)
    return RefitInfo(
        live=float((info.counts > steps.DEAD_COUNT).any(axis=0).sum()),
        rows_dropped=float(info.rows_dropped.sum()),
        rho=float(np.where(num_rows > 0, info.rho, 0.0).max()),
        log_likelihood=float((num_rows * info.log_likelihood[:, -1]).sum() / total),
    )
