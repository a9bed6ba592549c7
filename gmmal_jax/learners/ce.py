"""ce: supervised training with cross-entropy alone."""

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network


def make(network: Network, train: TrainConfig) -> Learner:
    """Stage 1 without auxiliary losses (the recipe of the paper's baselines)."""
    return task.make(network, (), train)
