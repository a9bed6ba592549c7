"""waal: cross-entropy, then network and critic against each other.

Source: Deep Active Learning: Unified and Principled Method for Query and Training (Shui
et al., 2020; arXiv:1911.09162). Ours: the two stages of the paper's DA, of its length
and rates, where the authors train for 80 passes over the pool; the one-sided penalty,
as a sigmoid's slope cannot be 1 everywhere; all units of the critic at work in it; Adam
for the critic; a linear classifier; the distance of plain means. The code's gamma
|L| / |U| lets a critic that learns take every image for unlabeled: on digits it was
near 1 throughout, its AUC below 1/2. `waal_code` is closer to the authors' code.
"""

from gmmal_jax.config import AlignConfig, MixtureConfig, TrainConfig, WaalConfig
from gmmal_jax.phases import critics, task, wasserstein
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(
    network: Network,
    train: TrainConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
    waal: WaalConfig,
    infuse: str | None,
) -> Learner:
    """Stage 1 on cross-entropy, then stage 2 with WAAL's critic and losses.

    With `infuse` "gmm" the critic also sees mixture columns, which are refitted every
    `da.refit_every` steps (appendix A.6, figure 17).
    """
    adversary = wasserstein.make(network, train, da, gmm, waal, infuse)
    return extend(task.make(network, (), train), critics.aligned(adversary))
