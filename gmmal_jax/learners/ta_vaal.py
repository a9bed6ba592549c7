"""ta_vaal: cross-entropy and a ranker of losses, then a VAE and a discriminator.

Source: Task-Aware Variational Adversarial Active Learning (Kim et al., 2021, arXiv
2002.04709).
"""

from typing import Literal

from gmmal_jax.config import AlignConfig, MixtureConfig, TaVaalConfig, TrainConfig
from gmmal_jax.phases import ta_vaal as games, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(
    network: Network,
    train: TrainConfig,
    ta_vaal: TaVaalConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
    infuse: Literal["gmm"] | None,
) -> Learner:
    """Stage 1 with the ranking loss; columns `predicted_rank` and what is asked by."""
    first = task.make(network, (), train)
    return extend(first, games.make(network, train, ta_vaal, da, gmm, infuse))
