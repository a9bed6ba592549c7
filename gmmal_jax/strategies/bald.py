"""BALD: rows whose label would tell most about the classifier."""

import functools

import jax

from gmmal_jax.config import BaldConfig
from gmmal_jax.strategies import scores
from gmmal_jax.strategies.base import Score, Strategy
from gmmal_jax.types import Key, PoolView


def make(bald: BaldConfig) -> Strategy:
    """Rows on which classifiers that lost a part of the latents disagree most.

    The committee comes from dropout on the latents before the linear head; all else of
    the network is in evaluation mode. The network is trained without dropout, as for
    every other query, so that all queries choose by the same network; public toolkits
    train theirs with a dropout layer, and some also leave BatchNorm in training mode,
    whereby a row's score depends on its batch.

    Args:
      bald: the committee's size and the dropout rate.

    Source: Houlsby et al., 2011 (arXiv:1112.5745); dropout as the posterior: Gal, Islam
    and Ghahramani, 2017 (arXiv:1703.02910).
    """
    score = _score(bald.samples, bald.dropout)
    return Strategy("bald", frozenset({"latents"}), score, needs_head=True)


@functools.cache  # another function would be compiled anew
def _score(samples: int, rate: float) -> Score:
    def score(key: Key, view: PoolView) -> dict[str, jax.Array]:
        def member(i: jax.Array) -> jax.Array:
            return scores.dropout_logits(jax.random.fold_in(key, i), view, rate)

        return {"mutual_information": scores.mutual_information(member, samples)}

    return score
