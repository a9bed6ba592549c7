"""4DS: rows that a mixture classifier finds uncertain, dense, diverse and missing."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gmmal_jax import numerics, selection
from gmmal_jax.config import FourDsConfig
from gmmal_jax.mixtures import em, gaussian, start
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, Mixture, PoolView

_SMALL = 1e-5
"""Added to probabilities and to ranges before they are divided."""
_MOST_ITERATIONS, _TOLERANCE = 100, 1e-3
_START_ROWS = 10_000
"""k-means++ draws the mixture's start from at most so many rows (or 50 a component)."""


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


def make(four_ds: FourDsConfig) -> Strategy:
    """Rows of largest weighted sum of four terms, one after the other.

    A mixture with diagonal covariances is fitted to the latents of the whole pool by
    exact EM from a k-means++ start. A class's frequency in a component is the sum of
    its labeled rows' responsibilities. The terms are the classifier's uncertainty, the
    density, the diversity of the query, and how far a row fills up components that
    lack labels (distribution). Their weights follow from how well labels are
    distributed and from the classifier's expected error. Rows are chosen together:
    there is no score.

    Args:
      four_ds: its settings.

    Returns:
      The strategy.

    Source: Reitmaier and Sick, 2013 (Information Sciences 230), eq. 9 to 15, as
    scikit-activeml 1.0 from the authors' chair has them; the paper's variational fit,
    which also finds the number of components, is EM with a given number here. As in
    that code diversity reads densities alone, not where the chosen rows lie.
    """
    select = functools.partial(_select, four_ds)
    selector = Selector(frozenset({"latents"}), select)
    return Strategy("four_ds", frozenset(), select=selector)


def _select(
    options: FourDsConfig, key: Key, view: PoolView, total: np.ndarray, ask: Ask
) -> jax.Array:
    del total
    diversity = options.diversity
    if diversity is None:
        diversity = min(0.05 * (ask.budget - 1), 0.5)
    rows: jax.Array = _draw(
        key, view._replace(columns={"latents": view.columns["latents"]}), diversity,
        num_components=options.components or ask.num_classes,
        num_classes=ask.num_classes, budget=ask.budget,
    )  # fmt: skip
    return rows


@functools.partial(jax.jit, static_argnames=("num_components", "num_classes", "budget"))
def _draw(
    key: Key,
    view: PoolView,
    diversity: Float[jax.Array, ""] | float,
    *,
    num_components: int,
    num_classes: int,
    budget: int,
) -> jax.Array:
    k_order, k_start = jax.random.split(key)
    latents = jnp.asarray(view.columns["latents"])
    finite = jnp.isfinite(latents).all(axis=1)
    everything = jnp.ones_like(finite)
    order = selection.random_order(k_order, everything, finite, view.ids)
    latents, sound = latents[order], finite[order]
    labels, labeled, free = (
        jnp.asarray(values)[order]
        for values in (view.labels, view.labeled, view.candidates)
    )
    # No term depends on the latents' unit, and this one leaves room for squares.
    latents = jnp.where(sound[:, None], latents, 0.0)
    latents /= jnp.maximum(jnp.max(jnp.abs(latents)), np.finfo(np.float32).tiny)
    mixture = _fit(k_start, latents, sound, num_components)
    labels = jnp.where(labeled & sound, labels, -1)
    judged = judge(latents, labels, free & sound, mixture, num_classes)
    places = greedy(judged, free, sound, diversity, budget)
    rows: jax.Array = order[places]
    return rows


def _fit(
    key: Key, latents: jax.Array, sound: jax.Array, num_components: int
) -> Mixture:
    most = max(_START_ROWS, 50 * num_components)  # rows lie in a random order
    begin = start.kmeanspp(
        key, latents[:most], sound[:most], num_components=num_components
    )
    mixture: Mixture
    mixture, _ = em.fit(
        latents, sound, begin, num_iters=_MOST_ITERATIONS, tolerance=_TOLERANCE
    )
    return mixture


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


def greedy(
    judged: Judged,
    free: Bool[jax.Array, " n"],
    sound: Bool[jax.Array, " n"],
    diversity: Float[jax.Array, ""] | float,
    budget: int,
) -> Int[jax.Array, " budget"]:
    """Choose rows, each by what those before it left.

    Args:
      judged: from `judge`.
      free: [n], rows that may be chosen.
      sound: [n], rows that are finite; the others are chosen last.
      diversity: its weight.
      budget: static, at most the free rows.

    Returns:
      Distinct places, the first of equal ones.
    """
    candidates = free & sound
    least = jnp.min(jnp.where(candidates, judged.density, 1.0))
    # After the first row shares of components are those of the labels in the end.
    begin = first_weights(judged, candidates), judged.num_labeled + 1
    weights = later_weights(judged, candidates, jnp.asarray(diversity))
    then = weights, judged.num_labeled + budget + 1

    def best(
        how: tuple[Weights, jax.Array], state: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], jax.Array]:
        free, chosen, density, gap = state
        weights, num_labels = how
        room = judged.weights - (judged.held + chosen) / num_labels
        lacks, gap = lacking(judged.responsibilities, room, 1 / num_labels, gap)
        found = utility(judged, weights, least, density, lacks)
        # No term is smaller than 0.
        found = jnp.where(free, jnp.where(sound, found, -1.0), -2.0)
        place = jnp.argmax(found)
        free = free.at[place].set(False)
        chosen += judged.responsibilities[:, place]
        return (free, chosen, density + judged.density[place], gap), place

    gap = no_gap(judged.responsibilities)
    none = (free, jnp.zeros_like(judged.held), jnp.zeros(()), gap)
    state, first = best(begin, none)
    # Shares of other labels: nothing is kept.
    state = (*state[:3], gap)
    _, others = jax.lax.scan(
        lambda state, _: best(then, state), state, length=budget - 1
    )
    return jnp.concatenate([first[None], others])
