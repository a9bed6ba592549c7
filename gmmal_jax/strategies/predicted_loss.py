"""The query of Learning Loss: images whose loss is predicted to be largest."""

import jax
import jax.numpy as jnp

from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def make() -> Strategy:
    """For learners with the column `predicted_loss`.

    Source: Learning Loss for Active Learning (Yoo & Kweon).
    """
    return Strategy("predicted_loss", frozenset({"predicted_loss"}), _score)


def _score(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {"predicted_loss": jnp.asarray(view.columns["predicted_loss"])}
