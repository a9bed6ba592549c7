"""From one mixture a shard to one mixture: realign components, then average.

Costs are computed on the device, assignments on the host (SciPy); call `merge`
between jitted functions, never inside one.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Num
from scipy.optimize import linear_sum_assignment

from gmmal_jax.mixtures.steps import DEAD_COUNT
from gmmal_jax.types import Mixture

_FEWEST = 2.0
"""With fewer points a component's variance is its floor: it says nothing."""
_FORBIDDEN = 1e30
"""Cost in place of one that is not finite."""


@jax.jit
def bhattacharyya(a: Mixture, b: Mixture) -> Float[Array, "ka kb"]:
    """Bhattacharyya distances between the components of two mixtures.

    sum_d (mu_1 - mu_2)^2 / (8 s) + (log s - (log var_1 + log var_2) / 2) / 2, with
    s the mean of the two variances: the determinants as sums of logarithms, the
    means by direct differences. Weights are not read.

    Args:
      a: [ka], [ka, d], [ka, d].
      b: [kb], [kb, d], [kb, d].

    Returns:
      [ka, kb], >= 0, 0 for equal components.

    Source: section 3.2, batch averaging.
    """
    differences = a.means[:, None] - b.means[None]
    middle = (a.variances[:, None] + b.variances[None]) / 2
    logs = jnp.log(a.variances)[:, None] + jnp.log(b.variances)[None]
    return (differences**2 / (8 * middle) + (jnp.log(middle) - logs / 2) / 2).sum(2)


def match(costs: Num[np.ndarray, "k k"]) -> Int[np.ndarray, " k"]:
    """Assign columns to rows at the lowest total cost (the Hungarian algorithm).

    Args:
      costs: [k, k]; entries that are not finite are avoided wherever possible.

    Returns:
      [k], a permutation: the column of each row.
    """
    costs = np.asarray(costs, np.float64)
    finite = np.where(np.isfinite(costs), costs, _FORBIDDEN)
    columns: np.ndarray = linear_sum_assignment(finite)[1]
    return columns


def merge(
    shards: Mixture,
    counts: Float[Array, "s k"],
    reference: Mixture,
    *,
    average: Literal["count", "equal"] = "count",
) -> Mixture:
    """Realign the components of every shard to a reference, then average them.

    Args:
      shards: [s, k], [s, k, d], [s, k, d].
      counts: [s, k], points per component; all 0 for an empty shard.
      reference: [k], [k, d], [k, d]; gives the components their order.
      average: weight of a shard's component, its points (`count`), or one a shard
        that has any (`equal`).

    Returns:
      [k], [k, d], [k, d]. A component with fewer than two points in a shard is left
      out of the averages of means and variances; one that is left out everywhere
      keeps the reference's and gets a tiny weight.

    Source: section 3.2, batch averaging; `count` and dead components ours.
    """
    # An assignment of unequal numbers would leave components out, without a word.
    chex.assert_shape(shards.means, (None, *reference.means.shape))
    chex.assert_shape(counts, shards.weights.shape)
    costs = np.asarray(_costs(reference, shards))
    order = np.stack([match(matrix) for matrix in costs])
    merged: Mixture = _average(
        shards, counts, reference, jnp.asarray(order), average=average
    )
    return merged


@jax.jit
def _costs(reference: Mixture, shards: Mixture) -> jax.Array:
    costs: jax.Array
    costs = lax.map(lambda shard: bhattacharyya(reference, shard), shards)
    return costs


@partial(jax.jit, static_argnames="average")
def _average(
    shards: Mixture,
    counts: jax.Array,
    reference: Mixture,
    order: jax.Array,
    *,
    average: str,
) -> Mixture:
    num_rows = counts.sum(axis=1)
    take: Callable[..., jax.Array] = jax.vmap(lambda values, order: values[order])
    weights, means, variances = (take(values, order) for values in shards)
    counts = take(counts, order)

    equal = average == "equal"
    shard_shares = (num_rows > 0).astype(counts.dtype) if equal else num_rows
    shard_shares = shard_shares / jnp.maximum(shard_shares.sum(), 1.0)
    shares = jnp.ones_like(counts) if equal else counts
    shares = jnp.where(counts >= _FEWEST, shares, 0.0)
    known = shares.sum(axis=0) > 0
    shares = shares / jnp.where(known, shares.sum(axis=0), 1.0)[None]

    # Offsets from the reference lose no digits where mean / std is large.
    offsets = (shares[..., None] * (means - reference.means[None])).sum(axis=0)
    averaged = (shares[..., None] * variances).sum(axis=0)
    tiny = DEAD_COUNT / jnp.maximum(num_rows.sum(), 1.0)
    weights = jnp.where(known, (shard_shares[:, None] * weights).sum(axis=0), tiny)
    return Mixture(
        weights / weights.sum(),
        reference.means + offsets,
        jnp.where(known[:, None], averaged, reference.variances),
    )
