"""Uncertainty sampling: the rows the classifier is least sure of."""

import jax

from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView

_LOGITS = frozenset({"logits"})


def entropy() -> Strategy:
    """Rows whose predicted distribution has the largest entropy."""
    return Strategy("entropy", _LOGITS, _score_entropy)


def margin() -> Strategy:
    """Rows whose two most probable classes are closest."""
    return Strategy("margin", _LOGITS, _score_margin)


def least_confidence() -> Strategy:
    """Rows whose most probable class is least probable."""
    return Strategy("least_confidence", _LOGITS, _score_least_confidence)


def _score_entropy(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {"entropy": scores.entropy(view.columns["logits"])}


def _score_margin(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {"margin": scores.margin(view.columns["logits"])}


def _score_least_confidence(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {"least_confidence": scores.least_confidence(view.columns["logits"])}
