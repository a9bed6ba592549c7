"""4DS: rows that a mixture classifier finds uncertain, dense, diverse and missing."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gmmal_jax import selection
from gmmal_jax.config import FourDsConfig
from gmmal_jax.mixtures import em, start
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies import judged as terms
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, Mixture, PoolView

_MOST_ITERATIONS, _TOLERANCE = 100, 1e-3
_START_ROWS = 10_000
"""k-means++ draws the mixture's start from at most so many rows (or 50 a component)."""


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
    judged = terms.judge(latents, labels, free & sound, mixture, num_classes)
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


def greedy(
    judged: terms.Judged,
    free: Bool[jax.Array, " n"],
    sound: Bool[jax.Array, " n"],
    diversity: Float[jax.Array, ""] | float,
    budget: int,
) -> Int[jax.Array, " budget"]:
    """Choose rows, each by what those before it left.

    Args:
      judged: from `judged.judge`.
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
    begin = terms.first_weights(judged, candidates), judged.num_labeled + 1
    weights = terms.later_weights(judged, candidates, jnp.asarray(diversity))
    then = weights, judged.num_labeled + budget + 1

    def best(
        how: tuple[terms.Weights, jax.Array], state: tuple[Any, ...]
    ) -> tuple[tuple[Any, ...], jax.Array]:
        free, chosen, density, gap = state
        weights, num_labels = how
        room = judged.weights - (judged.held + chosen) / num_labels
        lacks, gap = terms.lacking(judged.responsibilities, room, 1 / num_labels, gap)
        found = terms.utility(judged, weights, least, density, lacks)
        # No term is smaller than 0.
        found = jnp.where(free, jnp.where(sound, found, -1.0), -2.0)
        place = jnp.argmax(found)
        free = free.at[place].set(False)
        chosen += judged.responsibilities[:, place]
        return (free, chosen, density + judged.density[place], gap), place

    gap = terms.no_gap(judged.responsibilities)
    none = (free, jnp.zeros_like(judged.held), jnp.zeros(()), gap)
    state, first = best(begin, none)
    # Shares of other labels: nothing is kept.
    state = (*state[:3], gap)
    _, others = jax.lax.scan(
        lambda state, _: best(then, state), state, length=budget - 1
    )
    return jnp.concatenate([first[None], others])
