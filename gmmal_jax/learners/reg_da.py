"""reg_da: the paper's training: Reg, then adversarial alignment (Algorithm 1)."""

from gmmal_jax.config import AlignConfig, MixtureConfig, RegConfig, TrainConfig
from gmmal_jax.phases import adversary, critics, mixture_loss, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(
    network: Network,
    train: TrainConfig,
    reg: RegConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
) -> Learner:
    """Stages 1 and 2 of the paper (sections 3.3 and 3.4)."""
    losses = (mixture_loss.make(network, reg, gmm),)
    first = task.make(network, losses, train)
    critic = adversary.make(network, train, da, gmm)
    return extend(first, critics.aligned(critic))
