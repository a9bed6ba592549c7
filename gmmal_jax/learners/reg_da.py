"""reg_da: the paper's training: Reg, then adversarial alignment (Algorithm 1)."""

from gmmal_jax.config import Config
from gmmal_jax.phases import critics, mixture_loss, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(network: Network, config: Config) -> Learner:
    """Stages 1 and 2 of the paper (sections 3.3 and 3.4)."""
    losses = (mixture_loss.make(network, config.reg, config.gmm),)
    reg = task.make(network, losses, config.train)
    return extend(reg, critics.aligned(network, config))
