"""Learners with a supervised phase only: the task network and its losses."""

from collections.abc import Sequence

import jax

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import supervised
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key, ModelState

GIVES = frozenset({"logits", "latents"})
"""Columns of every learner's task network."""


def make(network: Network, losses: Sequence[AuxLoss], config: TrainConfig) -> Learner:
    """A learner that trains a fresh network each cycle with the given losses."""

    def init(key: Key, previous: None) -> supervised.SupervisedState:
        return supervised.init(network, losses, config, key)

    def columns(
        state: supervised.SupervisedState, images: jax.Array
    ) -> dict[str, jax.Array]:
        return readout(network, state.model, images)

    phase = supervised.make_phase(network, losses, config)
    return Learner(gives=GIVES, init=init, phases=(phase,), readout=columns)


def readout(
    network: Network, model: ModelState, images: jax.Array
) -> dict[str, jax.Array]:
    """The columns of `GIVES` for uint8 images [b, h, w, ch], evaluation mode."""
    outputs = network.predict(model, network.normalized(images))
    return {"logits": outputs.logits, "latents": outputs.latents}
