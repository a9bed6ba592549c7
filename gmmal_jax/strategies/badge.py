"""BADGE: rows whose gradients are large and unlike one another."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics, selection
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """k-means++ on the gradients of the last layer, were the prediction the label.

    The first row has the largest gradient; the others are drawn with odds of their
    squared distance to those before them. Labeled rows play no part. Rows are chosen
    together: there is no score.

    Returns:
      The strategy.

    Source: Ash et al., 2020 (arXiv:1906.03671).
    """
    select = Selector(frozenset({"logits", "latents"}), _select)
    return Strategy("badge", frozenset(), select=select)


def _select(key: Key, view: PoolView, total: np.ndarray, ask: Ask) -> jax.Array:
    del total
    columns = view.columns
    rows: jax.Array = _draw(
        key, columns["logits"], columns["latents"], view.candidates, view.ids,
        budget=ask.budget,
    )  # fmt: skip
    return rows


@functools.partial(jax.jit, static_argnames="budget")
def _draw(
    key: Key,
    logits: jax.Array,
    latents: jax.Array,
    candidates: jax.Array,
    ids: jax.Array,
    *,
    budget: int,
) -> jax.Array:
    k_order, k_draw = jax.random.split(key)
    finite = jnp.isfinite(logits).all(axis=1) & jnp.isfinite(latents).all(axis=1)
    order = selection.random_order(k_order, candidates, finite, ids)
    candidates, finite = candidates[order], finite[order]
    errors, latents = scores.error_signals(logits[order]), latents[order]
    # A gradient is an outer product, [c] by [d], and is never formed.
    lengths = jnp.sum(errors**2, axis=1) * jnp.sum(latents**2, axis=1)

    def squares_to(places: jax.Array) -> jax.Array:
        products = numerics.matmul(errors, errors[places].T)
        products *= numerics.matmul(latents, latents[places].T)
        both = lengths[:, None] + lengths[places][None, :]
        squares = numerics.squared_gaps(both, products)
        return jnp.where(finite[:, None], squares, jnp.inf)

    first = jnp.argmax(jnp.where(candidates & finite, lengths, -jnp.inf))
    draws = selection.far_draws(k_draw, candidates, squares_to, first, budget)
    rows: jax.Array = order[draws]
    return rows
