"""vaal: cross-entropy, then a VAE and a discriminator of labeled and unlabeled images.

Source: Variational Adversarial Active Learning (Sinha et al., 2019, arXiv 1904.00370).
"""

from gmmal_jax.config import TrainConfig, VaalConfig
from gmmal_jax.phases import task, vaal as games
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(network: Network, train: TrainConfig, vaal: VaalConfig) -> Learner:
    """Stage 1 without auxiliary losses; one column more, `looks_unlabeled`."""
    return extend(task.make(network, (), train), games.make(network, vaal))
