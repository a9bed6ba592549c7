"""Where EM starts: k-means++, or the labeled mixture completed with absent classes."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from gmmal_jax import devices, numerics, shares
from gmmal_jax.mixtures import gaussian
from gmmal_jax.mixtures.moments import FLOOR, Floor, Moments, floor_of, survey
from gmmal_jax.types import Key, Mixture

_UNLIKELY_SHARE = 0.05
"""Share of the rows, the least likely ones, where absent classes may start."""
_BLOCK_ROWS = 1000


@partial(jax.jit, static_argnames=("num_components", "floor", "axis"))
def kmeanspp(
    key: Key,
    latents: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    *,
    num_components: int,
    floor: Floor = FLOOR,
    axis: str | None = None,
) -> Mixture:
    """Start at rows drawn by k-means++, each as wide as the data, equally likely.

    Args:
      key: seeds the draws.
      latents: [n, d]; distances are taken as they are, so its units matter.
      mask: [n], rows that count; non-finite ones never do.
      num_components: k, static.
      floor: of the start's variances, static; a fit applies its own on top.
      axis: devices that hold a share of the rows each; None: there is one.

    Returns:
      [k], [k, d], [k, d]; finite also for fewer rows than components.

    Source: Arthur and Vassilvitskii, 2007.
    """
    rows, data = survey(latents, mask, axis)
    variance = _width(data, floor)
    shape = (num_components, latents.shape[1])
    means = _pick(
        key,
        latents,
        rows,
        wanted=jnp.ones(num_components, bool),
        default=jnp.broadcast_to(data.mean, shape),
        axis=axis,
    )
    weights = jnp.full(num_components, 1 / num_components, latents.dtype)
    return Mixture(weights, means, jnp.broadcast_to(variance, shape))


@partial(jax.jit, static_argnames=("floor", "axis"))
def complete(
    key: Key,
    labeled: Mixture,
    latents: Float[Array, "n d"],
    mask: Bool[Array, " n"],
    *,
    floor: Floor = FLOOR,
    axis: str | None = None,
) -> Mixture:
    """Start from the labeled mixture, with a component for every absent class.

    Components keep their class and its place over refits. Absent classes start at
    k-means++ picks among the rows that the labeled mixture finds least likely.

    Args:
      key: seeds the picks.
      labeled: [k], [k, d], [k, d]; weight 0 marks absent classes.
      latents: [n, d].
      mask: [n], rows that count; non-finite ones never do.
      floor: of the data's variance, static.
      axis: devices that hold a share of the rows each; None: there is one.

    Returns:
      [k], [k, d], [k, d]: the labeled mixture itself if no class is absent; otherwise
      absent classes have weight 1/k, the others share the rest in proportion, and
      the new components have the pooled variance of the present ones (the data's
      if there are none).

    Source: ours (A5).
    """

    def completed() -> Mixture:
        return _completed(key, labeled, latents, mask, floor, axis)

    # Devices hold the same mixture: all take one branch, and meet in its sums.
    mixture: Mixture = lax.cond((labeled.weights > 0).all(), lambda: labeled, completed)
    return mixture


def _completed(
    key: Key,
    labeled: Mixture,
    latents: jax.Array,
    mask: jax.Array,
    floor: Floor,
    axis: str | None,
) -> Mixture:
    present = labeled.weights > 0
    rows, data = survey(latents, mask, axis)
    none = ~present.any()

    candidates = _unlikely(labeled, latents, rows, axis) | (rows & none)
    means = _pick(
        key, latents, candidates, wanted=~present, default=labeled.means, axis=axis
    )
    pooled = (labeled.weights[:, None] * labeled.variances).sum(axis=0)
    pooled = jnp.where(none, _width(data, floor), pooled)
    variances = jnp.where(present[:, None], labeled.variances, pooled[None])
    weights = jnp.where(present, labeled.weights * present.mean(), 1 / present.size)
    return Mixture(weights, means, variances)


def _width(data: Moments, floor: Floor) -> jax.Array:
    """The variance [d] of the data, above their floor."""
    return jnp.maximum(data.variance, floor_of(data, "diag", floor).floor)


def _unlikely(
    mixture: Mixture, latents: jax.Array, rows: jax.Array, axis: str | None
) -> jax.Array:
    """Mark the least likely rows, at least as many as there are components."""

    def likely(block: jax.Array) -> jax.Array:
        return gaussian.log_likelihood(block, mixture)

    scores = numerics.by_blocks(likely, (latents,), _BLOCK_ROWS)
    scores = jnp.where(rows, scores, jnp.inf)
    order = jnp.argsort(shares.joined(scores, axis))
    everyone = order.size
    rank = jnp.zeros(everyone, order.dtype).at[order].set(jnp.arange(everyone))
    number = devices.total(rows.sum(), axis)
    share = jnp.ceil(_UNLIKELY_SHARE * number).astype(rank.dtype)
    few = rank < jnp.maximum(share, mixture.weights.size)
    return rows & shares.mine(few, rows, axis)


def _pick(
    key: Key,
    latents: jax.Array,
    candidates: jax.Array,
    *,
    wanted: jax.Array,
    default: jax.Array,
    axis: str | None,
) -> jax.Array:
    """Draw rows far from those drawn before, for the components that want one.

    Args:
      key: seeds the draws.
      latents: [n, d].
      candidates: [n], rows that may be drawn; all are finite.
      wanted: [k], components that get a row.
      default: [k, d], means of the others, and of all if there is no candidate.
      axis: devices that hold a share of the rows each; None: there is one.

    Returns:
      Means [k, d].
    """

    def squares_to(drawn: jax.Array) -> jax.Array:
        row = shares.at(latents, drawn, axis)
        return shares.joined(((latents - row[None]) ** 2).sum(axis=1), axis)

    # Every component has a key of its own; those that want a row draw first.
    order = jnp.argsort(~wanted, stable=True)
    keys = jax.random.split(key, wanted.size)[order]
    everyone = shares.joined(candidates, axis)
    drawn = numerics.kmeans_plusplus(keys, everyone, wanted.sum(), squares_to)
    drawn = jnp.zeros_like(drawn).at[order].set(drawn)
    rows = (wanted & everyone[drawn])[:, None]
    return jnp.where(rows, shares.at(latents, drawn, axis), default)
