"""What a mixture classifier says of a pool, and the terms that 4DS weighs."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from gmmal_jax import numerics
from gmmal_jax.mixtures import gaussian
from gmmal_jax.types import Mixture

_SMALL = 1e-5
"""Added to probabilities and to ranges before they are divided."""


class Judged(NamedTuple):
    """What a mixture classifier says of a pool.

    Attributes:
      uncertainty: [n], one minus the distance from the decision boundary: that is the
        log-ratio of the two largest posteriors, scaled to (0, 1] over the candidates.
      density: [n], log-likelihood, scaled likewise.
      error: [n], one minus the largest posterior.
      responsibilities: [k, n], of the components.
      held: [k], the labeled rows' responsibilities, added up.
      num_labeled: [], of these rows.
      weights: [k], of the components.
    """

    uncertainty: jax.Array
    density: jax.Array
    error: jax.Array
    responsibilities: jax.Array
    held: jax.Array
    num_labeled: jax.Array
    weights: jax.Array


class Weights(NamedTuple):
    """Of the four terms; they add up to 1."""

    uncertainty: jax.Array
    density: jax.Array
    distribution: jax.Array
    diversity: jax.Array


def judge(
    latents: Float[jax.Array, "n d"],
    labels: Int[jax.Array, " n"],
    candidates: Bool[jax.Array, " n"],
    mixture: Mixture,
    num_classes: int,
) -> Judged:
    """Classify rows by a mixture and labels, and take the terms of all rows.

    Args:
      latents: [n, d].
      labels: [n], -1: none.
      candidates: [n], rows over which terms are scaled.
      mixture: [k], [k, d], [k, d].
      num_classes: c, at least 2.

    Returns:
      The terms; weights of a classifier without any label are those of chance.

    Source: eq. 9, 10 and 11.
    """
    joint = gaussian.log_joint(latents, mixture)
    density = jax.nn.logsumexp(joint, axis=1)
    log_responsibilities = joint - density[:, None]
    posteriors = _posteriors(log_responsibilities, labels, num_classes)
    two, _ = jax.lax.top_k(posteriors, 2)
    distance = jnp.log((two[:, 0] + _SMALL) / (two[:, 1] + _SMALL))
    known = labels >= 0
    responsibilities = jnp.exp(log_responsibilities).T
    return Judged(
        1 - _scaled(distance, candidates),
        _scaled(density, candidates),
        1 - two[:, 0],
        responsibilities,
        jnp.sum(jnp.where(known[None, :], responsibilities, 0.0), axis=1),
        jnp.sum(known),
        mixture.weights,
    )


def _posteriors(
    log_responsibilities: jax.Array, labels: jax.Array, num_classes: int
) -> jax.Array:
    """Class posteriors [n, c], in logarithms, as responsibilities vanish.

    A component says something however far its labeled rows are, if no other does.
    """
    safe = jnp.maximum(log_responsibilities, gaussian.ABSENT)
    own = jnp.where(labels < 0, num_classes, labels)
    peaks = jax.ops.segment_max(safe, own, num_classes + 1)
    peaks = jnp.maximum(peaks, gaussian.ABSENT)
    members = jax.nn.one_hot(labels, num_classes, axis=0)
    sums = numerics.matmul(members, jnp.exp(safe - peaks[own])).T
    some = jnp.where(sums > 0, sums, 1.0)
    frequencies = peaks[:num_classes].T + jnp.log(some)
    frequencies = jnp.where(sums > 0, frequencies, gaussian.ABSENT)
    totals = jax.nn.logsumexp(frequencies, axis=1)
    of_components = jax.nn.softmax(frequencies, axis=1)
    voices = jax.nn.softmax(safe + totals[None, :], axis=1)
    return numerics.matmul(voices, of_components)


def _scaled(values: jax.Array, candidates: jax.Array) -> jax.Array:
    """Values over the candidates' range, in (0, 1]; those of other rows are cut off."""
    low = jnp.min(jnp.where(candidates, values, jnp.inf))
    high = jnp.max(jnp.where(candidates, values, -jnp.inf))
    return jnp.clip((values - low + _SMALL) / (high - low + _SMALL), 0.0, 1.0)


def first_weights(judged: Judged, candidates: Bool[jax.Array, " n"]) -> Weights:
    """Weights for a query's first row; there is nothing yet to be unlike.

    Args:
      judged: from `judge`.
      candidates: [n], likewise.

    Source: eq. 13 and 15.
    """
    expected = jnp.mean(judged.error * judged.density, where=candidates)
    return _weights(_imbalance(judged), jnp.zeros(()), expected)


def later_weights(
    judged: Judged, candidates: Bool[jax.Array, " n"], diversity: Float[jax.Array, ""]
) -> Weights:
    """Weights for its other rows.

    Args:
      judged: from `judge`.
      candidates: [n], likewise.
      diversity: its weight; that of distribution has to leave room for it.

    Source: eq. 14 and 15.
    """
    expected = jnp.mean(judged.error, where=candidates)
    distribution = jnp.minimum(_imbalance(judged), 1 - diversity)
    return _weights(distribution, diversity, 1 - expected)


def _imbalance(judged: Judged) -> jax.Array:
    """How far labels are from the components' weights, at most 1."""
    shares = judged.held / jnp.maximum(judged.num_labeled, 1)
    return jnp.minimum(jnp.sum(jnp.abs(judged.weights - shares)), 1.0)


def _weights(
    distribution: jax.Array, diversity: jax.Array, uncertain: jax.Array
) -> Weights:
    rest = 1 - distribution - diversity
    return Weights(rest * uncertain, rest * (1 - uncertain), distribution, diversity)


class Gap(NamedTuple):
    """How far components lack labels: what is kept from one row to the next.

    Attributes:
      ample: [k], components that lack more than any row can give.
      given: [n], responsibilities of these, added up.
    """

    ample: jax.Array
    given: jax.Array


def lacking(
    responsibilities: Float[jax.Array, "k n"],
    room: Float[jax.Array, " k"],
    part: Float[jax.Array, ""],
    before: Gap,
) -> tuple[Float[jax.Array, " n"], Gap]:
    """What components still lack beside each row: sum_k max(0, room_k - part r_kn).

    Most components lack more than a row can give, or nothing, and go on to: only
    where one comes near its end all rows are read for it.

    Args:
      responsibilities: of all rows.
      room: what is missing to the components' weights, as shares of all labels.
      part: the share of one label.
      before: from the row before, whose room was no smaller; at first `no_gap`.

    Source: eq. 11.
    """
    ample = room >= part
    given = jax.lax.cond(
        jnp.any(ample != before.ample),
        lambda: numerics.matmul(ample.astype(room.dtype), responsibilities),
        lambda: before.given,
    )

    def add(k: jax.Array, total: jax.Array) -> jax.Array:
        left = jnp.maximum(room[k] - part * responsibilities[k], 0.0)
        return total + left

    def add_if_near(k: jax.Array, total: jax.Array) -> jax.Array:
        near = (room[k] > 0) & ~ample[k]
        some: jax.Array = jax.lax.cond(near, add, lambda _, total: total, k, total)
        return some

    total = jnp.sum(jnp.where(ample, room, 0.0)) - part * given
    return jax.lax.fori_loop(0, room.size, add_if_near, total), Gap(ample, given)


def no_gap(responsibilities: Float[jax.Array, "k n"]) -> Gap:
    """Where nothing is known yet."""
    num_components, num_rows = responsibilities.shape
    return Gap(jnp.zeros(num_components, bool), jnp.zeros(num_rows))


def utility(
    judged: Judged,
    weights: Weights,
    least: Float[jax.Array, ""],
    density: Float[jax.Array, ""],
    lacks: Float[jax.Array, " n"],
) -> Float[jax.Array, " n"]:
    """The weighted sum that the next row is chosen by.

    Args:
      judged: from `judge`.
      weights: of the terms.
      least: the smallest density of a candidate.
      density: of the rows chosen so far, added up.
      lacks: from `lacking`.

    Source: eq. 12, and the sum of all terms.
    """
    # The logarithm of a density beside the chosen ones', scaled to [0, 1]: the densest
    # candidate has 1, and no logarithms are subtracted.
    widest = jnp.log1p((1 - least) / (least + density))
    diversity = jnp.log1p((1 - judged.density) / (judged.density + density))
    return (
        weights.uncertainty * judged.uncertainty
        + weights.density * judged.density
        + weights.distribution * (1 - lacks)
        + weights.diversity * diversity / jnp.where(widest > 0, widest, 1.0)
    )
