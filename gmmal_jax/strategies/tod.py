"""Temporal output discrepancy: rows whose prediction a cycle of training changed."""

import jax
import jax.numpy as jnp

from gmmal_jax.config import TodConfig
from gmmal_jax.strategies.base import Score, Strategy
from gmmal_jax.types import Key, PoolView

_PUBLISHED = TodConfig()


def make(tod: TodConfig = _PUBLISHED) -> Strategy:
    """Largest discrepancy, for learners with `discrepancy` and `compared`.

    Args:
      tod: its `first_cycle` says what is asked while there is no earlier network.

    Returns:
      The strategy.

    Source: Huang et al., 2021 (arXiv:2107.14153). Ours: the first query is random by
    default; their code asks for the smallest discrepancy to a random network.
    """
    needs = frozenset({"discrepancy", "compared"})
    return Strategy("tod", needs, _SCORES[tod.first_cycle])


def _random(key: Key, view: PoolView) -> dict[str, jax.Array]:
    # Equal scores are chosen among at random.
    return _score(view, jnp.zeros_like(_discrepancy(view)))


def _smallest(key: Key, view: PoolView) -> dict[str, jax.Array]:
    return _score(view, -_discrepancy(view))


def _largest(key: Key, view: PoolView) -> dict[str, jax.Array]:
    return _score(view, _discrepancy(view))


def _score(view: PoolView, at_first: jax.Array) -> dict[str, jax.Array]:
    compared = jnp.asarray(view.columns["compared"]) > 0
    return {"discrepancy": jnp.where(compared, _discrepancy(view), at_first)}


def _discrepancy(view: PoolView) -> jax.Array:
    return jnp.asarray(view.columns["discrepancy"])


_SCORES: dict[str, Score] = {
    "random": _random,
    "smallest": _smallest,
    "largest": _largest,
}
