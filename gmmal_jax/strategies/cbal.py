"""CBAL: rows worth asking whose predicted classes balance the labeled set."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax, xlogy

from gmmal_jax import selection
from gmmal_jax.config import CBALConfig
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView

_WEIGHTS = {"entropy": (0.6, 2.0), "kcenter": (5.0, 50.0)}
"""For 10 and for 100 classes."""


def make(cbal: CBALConfig) -> Strategy:
    """Entropy, or distance from what is labeled, traded for balance of the classes.

    A query as a whole has a cost: what its rows are worth, with a minus, plus a weight
    times the L1 distance of their predicted class counts from those that would make
    the labeled set even. By entropy this is a linear program; by k-center rows are
    picked greedily. Rows are chosen together: there is no score.

    Args:
      cbal: what rows are worth, and the weight.

    Returns:
      The strategy.

    Source: Bengar et al., 2022 (arXiv:2110.04543). The training is the usual one here,
    theirs is `--preset official`; images are scored as they are, and the integer
    program is relaxed and rounded.
    """
    by_entropy = cbal.base == "entropy"
    columns = {"logits"} if by_entropy else {"logits", "latents"}
    function = _by_entropy if by_entropy else _by_distance
    select = functools.partial(function, options=cbal)
    return Strategy("cbal", frozenset(), select=Selector(frozenset(columns), select))


def weight_of(options: CBALConfig, num_classes: int) -> float:
    """The weight of the imbalance: the option's, or the authors' for so many classes.

    Args:
      options: its base and weight.
      num_classes: c. From 10 on the weight grows as a power of it.
    """
    if options.weight is not None:
        return options.weight
    ten, hundred = _WEIGHTS[options.base]
    decades = np.log10(max(num_classes, 10) / 10)
    return float(ten * (hundred / ten) ** decades)


def _by_entropy(
    key: Key, view: PoolView, total: np.ndarray, ask: Ask, *, options: CBALConfig
) -> np.ndarray:
    del total
    logits = view.columns["logits"]
    ordered, sound = _order(key, logits, view.candidates, view.ids)
    order = np.asarray(ordered)
    rows = order[: int(sound)]
    if len(rows) <= ask.budget:
        return order[: ask.budget]
    probs = softmax(np.asarray(logits, np.float64)[rows], axis=1)
    target = _target(view, ask)
    weight = weight_of(options, ask.num_classes)
    negative = xlogy(probs, probs).sum(axis=1)
    places = selection.balanced_rows(negative, probs, target, ask.budget, weight)
    chosen: np.ndarray = rows[places]
    return chosen


@jax.jit
def _order(
    key: Key, logits: jax.Array, candidates: jax.Array, ids: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """A random order [n], sound candidates first, and the number of these."""
    # A row without any finite logit has no softmax, one with some has.
    sound = jnp.isfinite(jax.nn.softmax(logits, axis=1)).all(axis=1)
    order = selection.random_order(key, candidates, sound, ids)
    return order, jnp.sum(candidates & sound)


def _target(view: PoolView, ask: Ask) -> np.ndarray:
    labels = view.labels[view.labeled]
    return selection.lacking(labels, ask.budget, ask.num_classes)


def _by_distance(
    key: Key, view: PoolView, total: np.ndarray, ask: Ask, *, options: CBALConfig
) -> jax.Array:
    del total
    rows: jax.Array = _balanced(
        key, view.columns["logits"], view.columns["latents"], view.labeled,
        view.candidates, view.ids, _target(view, ask).astype(np.float32),
        np.float32(weight_of(options, ask.num_classes)), budget=ask.budget,
    )  # fmt: skip
    return rows


@functools.partial(jax.jit, static_argnames="budget")
def _balanced(
    key: Key,
    logits: jax.Array,
    latents: jax.Array,
    labeled: jax.Array,
    candidates: jax.Array,
    ids: jax.Array,
    target: jax.Array,
    weight: jax.Array,
    *,
    budget: int,
) -> jax.Array:
    probs = jax.nn.softmax(logits, axis=1)
    rows: jax.Array = selection.balanced_k_center(
        key, latents, labeled, candidates, probs, target, weight, budget, ids=ids
    )
    return rows
