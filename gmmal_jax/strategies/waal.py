"""WAAL's query: uncertain images that the critic takes for unlabeled.

Source: Deep Active Learning: Unified and Principled Method for Query and Training (Shui
et al., 2020; arXiv:1911.09162), section 4.3, and its code: the mean of the two norms.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Float

from gmmal_jax.config import WaalConfig
from gmmal_jax.strategies.base import Score, Strategy
from gmmal_jax.strategies.scores import Array
from gmmal_jax.types import Key, PoolView

FLOOR = -50.0
"""Log-probabilities below it say nothing more."""
_DEFAULTS = WaalConfig()


def make(waal: WaalConfig = _DEFAULTS) -> Strategy:
    """For learners with the column `critic`, 1 where an image looks unlabeled."""
    return Strategy(
        "waal", frozenset({"logits", "critic"}), _score(waal.selection_weight)
    )


@functools.cache  # a score made again would compile again
def _score(weight: float) -> Score:
    def score(key: Key, view: PoolView) -> dict[str, jax.Array]:
        del key
        critic = jnp.asarray(view.columns["critic"])
        return {"waal": weight * critic - sureness(view.columns["logits"])}

    return score


def sureness(logits: Float[Array, "n c"]) -> Float[jax.Array, " n"]:
    """Mean of the 1-norm and the 2-norm of log p, in nats: least for even p.

    Args:
      logits: [n, c]; log p is floored at -50.

    Returns:
      [n], from (c + sqrt(c)) log(c) / 2 on.
    """
    log_p = jnp.maximum(jax.nn.log_softmax(jnp.asarray(logits)), FLOOR)
    one = -jnp.sum(log_p, axis=1)
    two = jnp.sqrt(jnp.sum(jnp.square(log_p), axis=1))
    return (one + two) / 2
