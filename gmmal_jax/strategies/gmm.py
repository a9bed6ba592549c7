"""The paper's acquisition: likelihood ratio, critic and entropy, fused by rank."""

import jax
import jax.numpy as jnp

from gmmal_jax.selection import CONSTRUCTIONS
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """Rows that are typical of the pool, strange for the labeled set, and uncertain.

    Returns:
      The strategy; its default batch is balanced over pseudo-classes and diversified
      by k-means.

    Source: section 3.5, eq. 4 and 5.
    """
    needs = {
        "logits",
        "latents",
        "critic",
        "log_likelihood_labeled",
        "log_likelihood_unlabeled",
    }
    select = CONSTRUCTIONS["balance_kmeans"]
    return Strategy("gmm", frozenset(needs), _score, select)


def _score(key: Key, view: PoolView) -> dict[str, jax.Array]:
    """I_Like, I_Dis and I_Ent of eq. 5."""
    del key
    columns = view.columns
    return {
        "likelihood_ratio": scores.likelihood_ratio(
            columns["log_likelihood_unlabeled"], columns["log_likelihood_labeled"]
        ),
        "critic": jnp.asarray(columns["critic"]),
        "entropy": scores.entropy(columns["logits"]),
    }
