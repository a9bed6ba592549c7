"""The queries of VAAL and TA-VAAL: rows that their discriminator takes for unlabeled.

It tells labeled rows by 1, so those of the smallest value are asked first; the columns
are minus its logits.
"""

import jax
import jax.numpy as jnp

from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView


def vaal() -> Strategy:
    """Rows that look unlabeled by the latents of a VAE.

    Source: Variational Adversarial Active Learning (Sinha et al., 2019), algorithm 2.
    """
    return Strategy("vaal", frozenset({_PLAIN}), _score_plain)


def ta_vaal() -> Strategy:
    """Likewise, where VAE and discriminator know how large a loss is predicted.

    Source: Task-Aware Variational Adversarial Active Learning (Kim et al., 2021).
    """
    return Strategy("ta_vaal", frozenset({_RANKED}), _score_ranked)


_PLAIN, _RANKED = "looks_unlabeled", "looks_unlabeled_by_rank"


def _score_plain(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {_PLAIN: jnp.asarray(view.columns[_PLAIN])}


def _score_ranked(key: Key, view: PoolView) -> dict[str, jax.Array]:
    del key
    return {_RANKED: jnp.asarray(view.columns[_RANKED])}
