"""Learners with a supervised phase only: the task network and its losses."""

from collections.abc import Sequence

import jax

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import supervised
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.supervised import SupervisedState
from gmmal_jax.types import Key

GIVES = frozenset({"logits", "latents"})
"""Columns of every learner's task network."""


def make(network: Network, losses: Sequence[AuxLoss], config: TrainConfig) -> Learner:
    """A learner that trains a fresh network each cycle with the given losses."""

    def init(key: Key, previous: None) -> SupervisedState:
        return supervised.init(network, losses, config, key)

    def readout(state: SupervisedState, images: jax.Array) -> dict[str, jax.Array]:
        outputs = network.predict(state.model, network.normalized(images))
        columns = {"logits": outputs.logits, "latents": outputs.latents}
        for loss in losses:
            columns |= loss.columns(state.heads[loss.name], outputs)
        return columns

    classify = network.head
    return Learner(
        gives=GIVES.union(*(loss.gives for loss in losses)),
        init=init,
        phases=(supervised.make_phase(network, losses, config),),
        readout=readout,
        head=classify and (lambda state: classify(state.model)),
        with_losses=lambda more: make(network, (*losses, *more), config),
    )
