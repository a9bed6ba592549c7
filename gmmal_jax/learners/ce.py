"""ce: supervised training with cross-entropy alone."""

from gmmal_jax.config import Config
from gmmal_jax.phases import task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network


def make(network: Network, config: Config) -> Learner:
    """Stage 1 without auxiliary losses (the recipe of the paper's baselines)."""
    return task.make(network, (), config.train)
