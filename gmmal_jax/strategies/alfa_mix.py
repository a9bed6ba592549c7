"""ALFA-Mix: rows whose class changes when a little of another class is mixed in."""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics, selection
from gmmal_jax.config import AlfaMixConfig
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies import mixing
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView

_CAPS = {"closed_form": 0.2, "learned": 0.03125}
_ROWS = 512
"""Rows whose shares are learned at a time."""


class _Pool(NamedTuple):
    """What mixing reads.

    Attributes:
      latents: [n, d].
      logits: [n, c].
      anchors: [c, d].
      kernel: [d, c].
      bias: [c].
    """

    latents: jax.Array
    logits: jax.Array
    anchors: jax.Array
    kernel: jax.Array
    bias: jax.Array


def make(alfa_mix: AlfaMixConfig) -> Strategy:
    """Clusters of the rows whose prediction changes when latents are mixed.

    Latents z become (1 - a) z + a m, with m the mean latents of a labeled class (of all
    labeled rows, if it has none) and shares a, one for each latent, up to a cap. A row
    qualifies if that changes its class for any m. The cap grows by itself until more
    rows qualify than labels are asked, or all of 1 is mixed in. k-means on directions,
    with as many clusters, then gives the row nearest to each centroid; what is missing
    is drawn at random, without replacement (the public code draws with).

    closed_form takes a along the gradient of the loss (`mixing.critical_caps`). Its
    shares are not clipped, as in the code; the paper bounds them. learned starts from
    shares of N(cap / 2, cap / 2) and looks for others (`mixing.changes_by_learning`).

    Args:
      alfa_mix: mode and cap.

    Source: Parvaneh et al., 2022 (arXiv:2203.07034), and its code. Theirs has a hidden
    layer in the classifier, ours looks through the linear head.
    """
    cap = _CAPS[alfa_mix.mode] if alfa_mix.cap is None else alfa_mix.cap
    select = functools.partial(_select, alfa_mix.mode, cap)
    selector = Selector(frozenset({"logits", "latents"}), select)
    return Strategy("alfa_mix", frozenset(), select=selector, needs_head=True)


def _select(
    mode: str, cap: float, key: Key, view: PoolView, total: np.ndarray, ask: Ask
) -> jax.Array:
    del total
    rows: jax.Array = _pick(key, view, mode=mode, cap=cap, budget=ask.budget)
    return rows


@functools.partial(jax.jit, static_argnames=("mode", "cap", "budget"))
def _pick(key: Key, view: PoolView, *, mode: str, cap: float, budget: int) -> jax.Array:
    assert view.head is not None  # `Strategy.needs_head`
    k_mix, k_rows = jax.random.split(key)
    latents, logits = (jnp.asarray(view.columns[n]) for n in ("latents", "logits"))
    finite = jnp.isfinite(latents).all(axis=1) & jnp.isfinite(logits).all(axis=1)
    latents = jnp.where(finite[:, None], latents, 0.0)
    known = jnp.where(view.labeled & finite, view.labels, -1)
    kernel, bias = map(jnp.asarray, view.head)
    anchors = mixing.class_means(latents, known, num_classes=kernel.shape[1])
    pool = _Pool(latents, logits, anchors, kernel, bias)
    if mode == "closed_form":
        critical = mixing.critical_caps(latents, logits, anchors, kernel)

        def changes(step: jax.Array) -> jax.Array:
            return critical < cap * (step + 1)

    else:

        def changes(step: jax.Array) -> jax.Array:
            k_step = jax.random.fold_in(k_mix, step)
            return _learned(k_step, pool, jnp.asarray(view.ids), cap * (step + 1))

    mask = jnp.asarray(view.candidates) & finite
    qualified = _widened(changes, mask, math.ceil(round(1 / cap, 6)), budget)
    points = jnp.where(finite[:, None], numerics.directions(latents), jnp.nan)
    rows: jax.Array = selection.representatives(
        k_rows, points, qualified, view.candidates, ids=view.ids, k=budget
    )
    return rows


def _widened(
    changes: Callable[[jax.Array], jax.Array],
    mask: jax.Array,
    num_steps: int,
    budget: int,
) -> jax.Array:
    """Rows [n] that change up to the first cap at which more than the budget do."""

    def going(state: tuple[jax.Array, jax.Array]) -> jax.Array:
        step, found = state
        return (step < num_steps) & (jnp.sum(found) <= budget)

    def widen(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        step, found = state
        return step + 1, found | (changes(step) & mask)

    begin = (jnp.zeros((), jnp.int32), jnp.zeros(mask.shape, bool))
    return jax.lax.while_loop(going, widen, begin)[1]


def _learned(key: Key, pool: _Pool, ids: jax.Array, cap: jax.Array) -> jax.Array:
    """Rows [n] that change by learning for any anchor; starts are the ids' own."""
    labels = jnp.argmax(pool.logits, axis=1)

    def one_row(args: tuple[jax.Array, ...]) -> jax.Array:
        row, latent, label, anchor, k_anchor = args
        noise = jax.random.normal(jax.random.fold_in(k_anchor, row), latent.shape)
        start = cap / 2 * (1 + noise)
        return mixing.changes_by_learning(
            start, latent, anchor, label, pool.kernel, pool.bias, cap
        )

    def one_anchor(found: jax.Array, number: jax.Array) -> tuple[jax.Array, None]:
        anchor, k_anchor = pool.anchors[number], jax.random.fold_in(key, number)
        changed = jax.lax.map(
            lambda row: one_row((*row, anchor, k_anchor)),
            (ids, pool.latents, labels),
            batch_size=_ROWS,
        )
        return found | changed, None

    none = jnp.zeros(ids.shape, bool)
    numbers = jnp.arange(pool.anchors.shape[0])
    found: jax.Array = jax.lax.scan(one_anchor, none, numbers)[0]
    return found
