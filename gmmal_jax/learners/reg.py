"""reg: supervised training with the loss on mixture posteriors."""

from gmmal_jax.config import MixtureConfig, RegConfig, TrainConfig
from gmmal_jax.phases import mixture_loss, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network


def make(
    network: Network, train: TrainConfig, reg: RegConfig, gmm: MixtureConfig
) -> Learner:
    """Stage 1 of the paper (section 3.3)."""
    losses = (mixture_loss.make(network, reg, gmm),)
    return task.make(network, losses, train)
