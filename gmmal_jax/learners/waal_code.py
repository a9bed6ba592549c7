"""waal_code: WAAL's training as its authors' code has it.

Source: the code of Shui et al. (2020; arXiv:1911.09162). One stage of 80 passes over
the larger set by SGD with a momentum of 0.3, without weight decay; the critic is
rewarded for steep slopes, which the paper penalizes (`phases.wasserstein.code_phase`);
in the distance the labeled mean weighs |L| / |U|.
Ours: the network and its linear classifier, in place of VGG-16 and a hidden layer with
dropout; BatchNorm's running averages see each image twice a step, not three times.
"""

from gmmal_jax.config import MixtureConfig, TrainConfig, WaalCodeConfig, WaalConfig
from gmmal_jax.phases import critics, task, wasserstein
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(
    network: Network,
    train: TrainConfig,
    gmm: MixtureConfig,
    waal: WaalConfig,
    waal_code: WaalCodeConfig,
) -> Learner:
    """Network and critic against each other from the first step on."""
    adversary = wasserstein.make_of_code(network, train, gmm, waal, waal_code)
    phase = wasserstein.code_phase(adversary, waal_code.epochs)
    untrained = task.make(network, (), train)._replace(phases=(), with_losses=None)
    return extend(untrained, critics.aligned(adversary, phase))
