"""tod: training towards a moving average, compared with the last cycle's network."""

import jax
import jax.numpy as jnp

from gmmal_jax.config import TodConfig, TrainConfig
from gmmal_jax.phases import task, temporal
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.temporal import TemporalState
from gmmal_jax.types import Key, ModelState

GIVES = task.GIVES | {"discrepancy", "compared"}


def make(network: Network, train: TrainConfig, tod: TodConfig) -> Learner:
    """Semi-supervised training; its columns tell what changed since the last cycle.

    `discrepancy` lies between the predictions of this cycle's network and the last
    one's, `compared` is 0 in the first cycle, where a random network stands for the
    last one's, and 1 later.

    Source: Huang et al., 2021 (arXiv:2107.14153). Ours: networks start anew every cycle
    as those of all learners do; theirs goes on from the last one's.
    """

    def init(key: Key, previous: ModelState | None) -> TemporalState:
        return temporal.init(network, train, key, previous)

    def readout(state: TemporalState, images: jax.Array) -> dict[str, jax.Array]:
        seen = network.normalized(images)
        outputs = network.predict(state.model, seen)
        before = network.predict(state.previous, seen).logits
        return {
            "logits": outputs.logits,
            "latents": outputs.latents,
            "discrepancy": temporal.discrepancy(outputs.logits, before),
            "compared": jnp.broadcast_to(state.compared, images.shape[:1]),
        }

    classify = network.head
    return Learner(
        gives=GIVES,
        init=init,
        phases=(temporal.make_phase(network, train, tod),),
        readout=readout,
        carry=lambda state: state.model,
        head=classify and (lambda state: classify(state.model)),
    )
