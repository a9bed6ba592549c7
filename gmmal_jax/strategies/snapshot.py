"""Snapshot committees: rows on which one network's earlier states disagree."""

import math

import jax
import jax.numpy as jnp

from gmmal_jax.config import SnapshotConfig
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Score, Strategy
from gmmal_jax.types import Key, PoolView

_PUBLISHED = SnapshotConfig()


def make(snapshot: SnapshotConfig = _PUBLISHED) -> Strategy:
    """Rows of the committee's largest doubt, for learners with `member_logits`.

    Args:
      snapshot: its score names the doubt.

    Returns:
      The strategy.

    Source: Jung, Kim and Lee, 2023, whose own score is the variation ratio. With five
    members it has five values: ours is that ties go by the entropy of the mean, then at
    random, where their code takes the rows that come first.
    """
    return Strategy("snapshot", frozenset({"member_logits"}), _SCORES[snapshot.score])


def _variation_ratio(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    logits = jnp.asarray(view.columns["member_logits"])
    _, members, classes = logits.shape
    ratio = scores.variation_ratio(logits)
    doubt = scores.entropy(scores.mean_log_probabilities(logits)) / math.log(classes)
    # Below one vote: entropies decide among equal ratios and never between two.
    below = 0.99 * jnp.minimum(doubt, 1.0) / members
    return {"variation_ratio": ratio + below}


def _entropy(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    mean = scores.mean_log_probabilities(view.columns["member_logits"])
    return {"entropy": scores.entropy(mean)}


def _bald(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    logits = jnp.asarray(view.columns["member_logits"])

    def member(i: jax.Array) -> jax.Array:
        return logits[:, i]

    return {"bald": scores.mutual_information(member, logits.shape[1])}


def _margin(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    mean = scores.mean_log_probabilities(view.columns["member_logits"])
    return {"margin": scores.margin(mean)}


_SCORES: dict[str, Score] = {
    "variation_ratio": _variation_ratio,
    "entropy": _entropy,
    "bald": _bald,
    "margin": _margin,
}
