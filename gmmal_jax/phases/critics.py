"""What a critic adds to a learner: trained for a frozen network, or against one."""

from typing import NamedTuple

import jax

from gmmal_jax.config import AlignConfig, MixtureConfig, TrainConfig
from gmmal_jax.phases import adversary as adversaries, alignment, diagnosis, optimizer
from gmmal_jax.phases.adversary import CriticState
from gmmal_jax.phases.extend import Extended, Extension, focus
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key, ModelState, PyTree


class Alignment(NamedTuple):
    """Stage 2's own state.

    Attributes:
      optimizer: the network's momentum, untouched before stage 2 (A14).
      critic: with both mixtures.
    """

    optimizer: PyTree
    critic: CriticState


class _Seen(NamedTuple):
    """The state that the phases with a critic know."""

    model: ModelState
    align_optimizer: PyTree
    critic: CriticState


def alone(
    network: Network, train: TrainConfig, da: AlignConfig, gmm: MixtureConfig
) -> Extension:
    """A critic trained after the network, which stays as it is.

    Source: ours: it gives learners without stage 2 the score that gmm fuses.
    """
    adversary = adversaries.make(network, train, da, gmm)

    def init(key: Key, base: PyTree, previous: None) -> CriticState:
        return adversaries.init(adversary, key)

    def readout(
        own: CriticState, columns: dict[str, jax.Array], images: jax.Array
    ) -> dict[str, jax.Array]:
        return adversaries.columns(adversary, own, columns["latents"])

    phase = focus(
        alignment.critic_phase(adversary),
        lambda state: _Seen(state.model, None, state.own),
        lambda state, seen: state._replace(own=seen.critic),
    )
    return Extension(
        gives=adversaries.GIVES,
        init=init,
        phases=(phase,),
        readout=readout,
        diagnose=diagnosis.diagnose(adversary),
    )


def aligned(
    network: Network, train: TrainConfig, da: AlignConfig, gmm: MixtureConfig
) -> Extension:
    """Stage 2: network and critic against each other (section 3.4)."""
    adversary = adversaries.make(network, train, da, gmm)
    critic = alone(network, train, da, gmm)

    def init(key: Key, base: PyTree, previous: None) -> Alignment:
        sgd = optimizer.sgd(train.momentum, train.weight_decay)
        return Alignment(sgd.init(base.model.params), adversaries.init(adversary, key))

    def put(state: Extended, seen: _Seen) -> Extended:
        base = state.base._replace(model=seen.model)
        return Extended(base, Alignment(seen.align_optimizer, seen.critic))

    describe = diagnosis.diagnose(adversary)
    phase = focus(
        alignment.align_phase(adversary),
        lambda state: _Seen(state.model, *state.own),
        put,
    )
    return critic._replace(
        init=init,
        phases=(phase,),
        readout=lambda own, *seen: critic.readout(own.critic, *seen),
        diagnose=lambda own, *seen: describe(own.critic, *seen),
    )
