"""Mixtures of rows whose class is known: one component a class, no EM.

Class statistics are EM's M step with binary responsibilities. They are kept raw
(`ClassStatistics`) until the end, so that devices and shards can be combined
before shrinkage and floor are applied once.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax import devices
from gmmal_jax.mixtures.moments import (
    FLOOR,
    Covariance,
    Floor,
    Moments,
    constrain,
    floor_of,
    usable_rows,
)
from gmmal_jax.numerics import matmul
from gmmal_jax.types import Mixture


class ClassStatistics(NamedTuple):
    """Raw statistics of every class; 0 where a class is absent.

    Attributes:
      counts: [*s, c], rows of a class, float32.
      means: [*s, c, d].
      variances: [*s, c, d], biased (divided by the count), no floor.
    """

    counts: jax.Array
    means: jax.Array
    variances: jax.Array


def statistics(
    latents: Float[Array, "n d"],
    labels: Int[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    num_classes: int,
    axis_name: str | None = None,
) -> ClassStatistics:
    """Counts, means and variances of every class.

    Rows that are masked, unlabeled (-1) or not finite have no influence. Three
    passes of centred sums: about 0 for the common mean, about that for the class
    means, about those for the variances; nothing is subtracted from a larger sum.

    Args:
      latents: [n, d].
      labels: [n], in [0, num_classes), or -1.
      mask: [n], rows that count.
      num_classes: c, static.
      axis_name: mapped axis over whose devices the rows are spread; every device
        then returns the statistics of all rows.

    Returns:
      The classes' raw statistics.

    Source: section 3.2, with gamma_ik = 1[y_i = k].
    """

    def total(values: jax.Array) -> jax.Array:
        return devices.total(values, axis_name)

    known = (labels >= 0) & (labels < num_classes)
    rows = usable_rows(latents, mask) & known
    latents = jnp.where(rows[:, None], latents, 0.0)
    member = rows[:, None] & (labels[:, None] == jnp.arange(num_classes)[None])
    member = member.astype(jnp.float32)

    counts = total(member.sum(axis=0))
    divisor = jnp.maximum(counts, 1.0)[:, None]
    common = total(latents.sum(axis=0)) / jnp.maximum(counts.sum(), 1.0)
    offsets = total(matmul(member.T, latents - common[None])) / divisor
    residuals = (latents - common[None]) - matmul(member, offsets)
    variances = total(matmul(member.T, residuals**2)) / divisor
    means = jnp.where(counts[:, None] > 0, common[None] + offsets, 0.0)
    return ClassStatistics(counts, means, variances)


def average_statistics(
    shards: ClassStatistics, average: Literal["count", "equal"]
) -> ClassStatistics:
    """Average the statistics of shards; classes are known, so nothing is matched.

    Args:
      shards: [s, c], [s, c, d], [s, c, d].
      average: weight of a shard in a class's mean and variance, and in the class
        frequencies: its rows (`count`), or one (`equal`) if it has any.

    Returns:
      Averages, [c], [c, d], [c, d]. The counts add up to the number of rows; with
      `equal` they follow the average of the shards' frequencies.

    Source: section 3.2, batch averaging.
    """
    num_rows = shards.counts.sum(axis=1, keepdims=True)
    if average == "count":
        shares = shards.counts
        counts = shards.counts.sum(axis=0)
    else:
        shares = (shards.counts > 0).astype(jnp.float32)
        frequencies = (shards.counts / jnp.maximum(num_rows, 1.0)).sum(axis=0)
        num_filled = jnp.maximum((num_rows > 0).sum(), 1)
        counts = num_rows.sum() * frequencies / num_filled
    shares = (shares / jnp.maximum(shares.sum(axis=0, keepdims=True), 1.0))[..., None]
    means = (shares * shards.means).sum(axis=0)
    return ClassStatistics(counts, means, (shares * shards.variances).sum(axis=0))


def no_statistics(num_classes: int, size: int) -> ClassStatistics:
    """Statistics of no rows: counts [c], means and variances [c, d], all 0."""
    zeros = jnp.zeros((num_classes, size), jnp.float32)
    return ClassStatistics(jnp.zeros(num_classes, jnp.float32), zeros, zeros)


def discounted(
    old: ClassStatistics, new: ClassStatistics, decay: float
) -> ClassStatistics:
    """Statistics of the new rows and, by `decay`, of the old ones.

    Repeated, means and second moments are exponential running averages, without a
    start-up bias, and counts approach n / (1 - decay): the rows that the averages
    rest on, as shrinkage should see them. Sums of squares are never formed.

    Args:
      old: [c], [c, d], [c, d].
      new: likewise.
      decay: in [0, 1).
    """
    before = decay * old.counts
    counts = before + new.counts
    share = (new.counts / jnp.where(counts > 0, counts, 1.0))[:, None]
    gap = new.means - old.means
    own = (1 - share) * old.variances + share * new.variances
    return ClassStatistics(
        counts, old.means + share * gap, own + share * (1 - share) * jnp.square(gap)
    )


def to_mixture(
    classes: ClassStatistics,
    *,
    covariance: Covariance = "diag",
    floor: Floor = FLOOR,
    shrinkage: float = 10.0,
    weights: Literal["frequency", "uniform"] = "frequency",
) -> Mixture:
    """The mixture with these class statistics.

    Variances are shrunk to the pooled within-class variance,
    (n_k var_k + nu var_pooled) / (n_k + nu), then raised to the floor.

    Args:
      classes: [c], [c, d], [c, d].
      covariance: form of the variances.
      floor: how small a variance may become beside the data's total one, static.
      shrinkage: pseudo-count nu; 0 leaves the classes' own variances.
      weights: class frequencies, or equal for all classes that exist.

    Returns:
      [c], [c, d], [c, d]. Absent classes have weight exactly 0 and the mean and
      variance of all rows. Without any row all weights are 0.

    Source: section 3.2; shrinkage and floor ours (A4), weights A29.
    """
    counts = classes.counts[:, None]
    num_rows = jnp.maximum(counts.sum(), 1.0)
    mean = (counts * classes.means).sum(axis=0) / num_rows
    own = constrain(classes.variances, covariance)
    pooled = (counts * own).sum(axis=0) / num_rows
    between = (counts * (classes.means - mean[None]) ** 2).sum(axis=0) / num_rows
    variance = pooled + constrain(between, covariance)

    present = classes.counts > 0
    divisor = jnp.where(present[:, None], counts + shrinkage, 1.0)
    variances = (counts * own + shrinkage * pooled[None]) / divisor
    variances = jnp.where(present[:, None], variances, variance[None])
    means = jnp.where(present[:, None], classes.means, mean[None])
    if weights == "frequency":
        shares = classes.counts / num_rows
    else:
        shares = present / jnp.maximum(present.sum(), 1).astype(jnp.float32)
    least = floor_of(Moments(num_rows, mean, variance), "diag", floor).floor
    return Mixture(shares, means, jnp.maximum(variances, least[None]))


def fit(
    latents: Float[Array, "n d"],
    labels: Int[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    num_classes: int,
    covariance: Covariance = "diag",
    floor: Floor = FLOOR,
    shrinkage: float = 10.0,
    weights: Literal["frequency", "uniform"] = "frequency",
    axis_name: str | None = None,
) -> Mixture:
    """Fit one component to each class of labeled rows.

    Args:
      latents: [n, d].
      labels: [n], in [0, num_classes), or -1.
      mask: [n], rows that count; masked, unlabeled and non-finite rows have no
        influence.
      num_classes: c, static.
      covariance: form of the variances.
      floor: how small a variance may become beside the data's total one, static.
      shrinkage: pseudo-count that pulls variances to the pooled one; 0: paper.
      weights: class frequencies, or equal for all classes that exist.
      axis_name: mapped axis over whose devices the rows are spread; the result is
        then that of all rows, on every device.

    Returns:
      [c], [c, d], [c, d]; absent classes have weight exactly 0. Always finite.

    Source: section 3.2.
    """
    classes = statistics(
        latents, labels, mask, num_classes=num_classes, axis_name=axis_name
    )
    return to_mixture(
        classes,
        covariance=covariance,
        floor=floor,
        shrinkage=shrinkage,
        weights=weights,
    )


def fit_shards(
    latents: Float[Array, "s m d"],
    labels: Int[Array, "s m"],
    mask: Bool[Array, "s m"],
    *,
    num_classes: int,
    average: Literal["count", "equal"] = "count",
    covariance: Covariance = "diag",
    floor: Floor = FLOOR,
    shrinkage: float = 10.0,
    weights: Literal["frequency", "uniform"] = "frequency",
) -> Mixture:
    """Fit one component to each class as the average over shards of rows.

    Shrinkage and floor act on the average: a shard's own variances would need
    them most where they say least.

    Args:
      latents: [s, m, d].
      labels: [s, m].
      mask: [s, m]; shards may be empty.
      num_classes: c, static.
      average: weight of a shard, its rows of the class or one.
      covariance: as in `fit`.
      floor: as in `fit`.
      shrinkage: as in `fit`.
      weights: as in `fit`.

    Returns:
      [c], [c, d], [c, d], as from `fit`; variances are within shards, hence smaller
      than `fit`'s where a shard has few rows of a class.

    Source: section 3.2, batch averaging.
    """
    shards = lax.map(
        lambda shard: statistics(*shard, num_classes=num_classes),
        (latents, labels, mask),
    )
    return to_mixture(
        average_statistics(shards, average),
        covariance=covariance,
        floor=floor,
        shrinkage=shrinkage,
        weights=weights,
    )
