"""The paper's acquisition: likelihood ratio, critic and entropy, fused by rank."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.config import FuseConfig
from gmmal_jax.selection import CONSTRUCTIONS, Fusion
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Score, Strategy
from gmmal_jax.types import Key, PoolView

Columns = Mapping[str, jax.Array | np.ndarray]


def make(fuse: FuseConfig) -> Strategy:
    """Rows that are typical of the pool, strange for the labeled set, and uncertain.

    Args:
      fuse: which scores, and how they are made one; the paper's are all three, by the
        sum of their ranks.

    Returns:
      The strategy; its default batch is balanced over pseudo-classes and diversified
      by k-means.

    Source: section 3.5, eq. 4 and 5.
    """
    needs = frozenset().union(*(_SCORES[name][0] for name in fuse.scores))
    fusion = Fusion(fuse.by, fuse.weights)
    select = CONSTRUCTIONS["balance_kmeans"]
    return Strategy("gmm", needs, _score_of(fuse.scores), select, fusion=fusion)


@functools.cache
def _score_of(names: tuple[str, ...]) -> Score:
    """The same function for the same names, so that it compiles once."""

    def score(key: Key, view: PoolView) -> dict[str, jax.Array]:
        del key
        return {name: _SCORES[name][1](view.columns) for name in names}

    return score


def _likelihood_ratio(columns: Columns) -> jax.Array:
    return scores.likelihood_ratio(
        columns["log_likelihood_unlabeled"], columns["log_likelihood_labeled"]
    )


_SCORES: dict[str, tuple[frozenset[str], Callable[[Columns], jax.Array]]] = {
    "likelihood_ratio": (
        frozenset({"log_likelihood_labeled", "log_likelihood_unlabeled"}),
        _likelihood_ratio,
    ),
    "critic": (frozenset({"critic"}), lambda columns: jnp.asarray(columns["critic"])),
    "entropy": (
        frozenset({"logits"}),
        lambda columns: scores.entropy(columns["logits"]),
    ),
}
"""I_Like, I_Dis and I_Ent of eq. 5: columns that each reads, and the score."""
