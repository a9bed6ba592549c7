"""DropQuery: clusters of rows whose class changes when latents are dropped."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import selection
from gmmal_jax.config import DropQueryConfig
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make(dropquery: DropQueryConfig) -> Strategy:
    """The rows nearest to the centroids of those that dropout leads to another class.

    A row is eligible if at least half of the masks change its predicted class. As many
    clusters of the eligible rows as labels are asked, by k-means on raw latents, give a
    row each. Where fewer are eligible, all of them are chosen, and others at random
    (scikit-activeml has those of most changes instead). Latents that are kept are
    scaled up, as dropout has it. With an even number of masks the authors' code asks
    for more than half. Rows are chosen together: there is no score.

    Args:
      dropquery: number of masks and the dropout rate.

    Source: Gupte et al., 2024 (arXiv:2401.14555), and its code, whose versions differ
    in whether latents are normalized.
    """
    select = functools.partial(_select, dropquery)
    selector = Selector(frozenset({"logits", "latents"}), select)
    return Strategy("dropquery", frozenset(), select=selector, needs_head=True)


def _select(
    options: DropQueryConfig, key: Key, view: PoolView, total: np.ndarray, ask: Ask
) -> jax.Array:
    del total
    rows: jax.Array = _pick(
        key, view, jnp.float32(options.dropout), masks=options.masks, budget=ask.budget
    )
    return rows


@functools.partial(jax.jit, static_argnames=("masks", "budget"))
def _pick(
    key: Key, view: PoolView, rate: jax.Array, *, masks: int, budget: int
) -> jax.Array:
    k_masks, k_rows = jax.random.split(key)
    predicted = jnp.argmax(view.columns["logits"], axis=1)

    def count(i: jax.Array, changes: jax.Array) -> jax.Array:
        logits = scores.dropout_logits(jax.random.fold_in(k_masks, i), view, rate)
        return changes + (jnp.argmax(logits, axis=1) != predicted)

    none = jnp.zeros(predicted.shape, jnp.int32)
    changes = jax.lax.fori_loop(0, masks, count, none)
    rows: jax.Array = selection.representatives(
        k_rows, view.columns["latents"], 2 * changes >= masks, view.candidates,
        ids=view.ids, k=budget,
    )  # fmt: skip
    return rows
