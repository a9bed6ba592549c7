"""What a critic adds to a learner: trained for a frozen network, or against one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax

from gmmal_jax.config import AlignConfig, MixtureConfig, TrainConfig
from gmmal_jax.phases import adversary as adversaries, alignment, diagnosis, optimizer
from gmmal_jax.phases.adversary import Adversary, CriticState
from gmmal_jax.phases.base import Phase
from gmmal_jax.phases.extend import Extended, Extension, focus, with_heads
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key, ModelState, PyTree


class Alignment(NamedTuple):
    """Stage 2's own state.

    Attributes:
      optimizer: momentum of the network and of stage 2's heads, untouched before (A14).
      critic: with both mixtures.
    """

    optimizer: PyTree
    critic: CriticState


class _Seen(NamedTuple):
    """The state that the phases with a critic know.

    The heads are those of the losses that stage 2 trains by.
    """

    model: ModelState
    heads: dict[str, PyTree]
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

    phase = focus(
        alignment.critic_phase(adversary),
        lambda state: _Seen(state.model, {}, None, state.own),
        lambda state, seen: state._replace(own=seen.critic),
    )
    return Extension(
        gives=adversaries.gives(adversary),
        init=init,
        phases=(phase,),
        readout=_readout(adversary),
        diagnose=diagnosis.diagnose(adversary),
    )


def aligned(adversary: Adversary, phase: Phase | None = None) -> Extension:
    """Stage 2: network and critic against each other (section 3.4).

    Args:
      adversary: the critic.
      phase: how they play, for states as `alignment.align_phase` knows them; None:
        that one.
    """

    def heads_of(base: PyTree) -> dict[str, PyTree]:
        return {loss.name: base.heads[loss.name] for loss in adversary.losses}

    def init(key: Key, base: PyTree, previous: None) -> Alignment:
        train = adversary.train
        sgd = optimizer.sgd(train)
        moments = sgd.init((base.model.params, heads_of(base)))
        return Alignment(moments, adversaries.init(adversary, key))

    def get(state: Extended) -> _Seen:
        return _Seen(state.model, heads_of(state.base), *state.own)

    def put(state: Extended, seen: _Seen) -> Extended:
        base = state.base._replace(model=seen.model)
        if seen.heads:
            base = with_heads(base, base.heads | seen.heads)
        return Extended(base, Alignment(seen.align_optimizer, seen.critic))

    def with_losses(more: Sequence[AuxLoss]) -> Extension:
        losses = (*adversary.losses, *(loss for loss in more if loss.aligned))
        return aligned(adversary._replace(losses=losses))

    read, describe = _readout(adversary), diagnosis.diagnose(adversary)
    return Extension(
        gives=adversaries.gives(adversary),
        init=init,
        phases=(focus(phase or alignment.align_phase(adversary), get, put),),
        readout=lambda own, *seen: read(own.critic, *seen),
        diagnose=lambda own, *seen: describe(own.critic, *seen),
        with_losses=None if phase else with_losses,
    )


def _readout(
    adversary: Adversary,
) -> Callable[[CriticState, dict[str, jax.Array], jax.Array], dict[str, jax.Array]]:
    def readout(
        own: CriticState, columns: dict[str, jax.Array], images: jax.Array
    ) -> dict[str, jax.Array]:
        return adversaries.columns(adversary, own, columns["latents"])

    return readout
