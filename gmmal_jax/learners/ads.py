"""ads: two heads that agree on what is easy in the pool and part on what is not."""

import jax

from gmmal_jax.config import AdsConfig, TrainConfig
from gmmal_jax.phases import agreement, task
from gmmal_jax.phases.agreement import AgreementState
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key


def make(network: Network, train: TrainConfig, ads: AdsConfig) -> Learner:
    """Agreement and discrepancy, with the column `mean_entropy`.

    `logits` are the log of the mean of both heads' sigmoids, so that the prediction is
    the class of the largest sum. The network's own classifier is not trained: there is
    no `head`.

    Source: Fu et al., 2021 (Agreement-Discrepancy-Selection). Ours: a new network every
    cycle, images as they are (not augmented) when they are scored.
    """

    def init(key: Key, previous: None) -> AgreementState:
        return agreement.init(network, train, ads, key)

    def readout(state: AgreementState, images: jax.Array) -> dict[str, jax.Array]:
        latents = network.predict(state.model, network.normalized(images)).latents
        logits = agreement.both(network, ads, state.heads, latents)
        return {
            "logits": agreement.mean_logits(logits),
            "latents": latents,
            "mean_entropy": agreement.mean_entropy(logits),
        }

    return Learner(
        gives=task.GIVES | {"mean_entropy"},
        init=init,
        phases=(agreement.make_phase(network, train, ads),),
        readout=readout,
    )
