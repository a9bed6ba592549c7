"""reg_da: the paper's training: Reg, then adversarial alignment (Algorithm 1)."""

from typing import NamedTuple

import jax

from gmmal_jax.config import Config
from gmmal_jax.phases import (
    adversary as adversaries,
    alignment,
    diagnosis,
    mixture_loss,
    optimizer,
    supervised,
    task,
)
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key, ModelState, PyTree


class RegDaState(NamedTuple):
    """Stage 1's state, stage 2's fresh optimizer, and the critic.

    Attributes:
      model: the task network.
      heads: of the auxiliary losses (none of Reg's).
      optimizer: stage 1's momentum.
      memories: of the auxiliary losses, idle in stage 2.
      align_optimizer: stage 2's momentum, untouched before it (A14).
      critic: with both mixtures.
    """

    model: ModelState
    heads: tuple[PyTree, ...]
    optimizer: PyTree
    memories: tuple[PyTree, ...]
    align_optimizer: PyTree
    critic: adversaries.CriticState


def make(network: Network, config: Config) -> Learner:
    """Stages 1 and 2 of the paper (sections 3.3 and 3.4)."""
    losses = (mixture_loss.make(network, config.reg, config.gmm),)
    adversary = adversaries.make(network, config)
    train = config.train

    def init(key: Key, previous: None) -> RegDaState:
        first = supervised.init(network, losses, train, key)
        sgd = optimizer.sgd(train.momentum, train.weight_decay)
        return RegDaState(
            *first,
            align_optimizer=sgd.init(first.model.params),
            critic=adversaries.init(adversary, key),
        )

    def readout(state: RegDaState, images: jax.Array) -> dict[str, jax.Array]:
        columns = task.readout(network, state.model, images)
        return columns | adversaries.columns(
            adversary, state.critic, columns["latents"]
        )

    phases = (
        supervised.make_phase(network, losses, train),
        alignment.align_phase(adversary),
    )
    return Learner(
        gives=task.GIVES | adversaries.GIVES,
        init=init,
        phases=phases,
        readout=readout,
        diagnose=diagnosis.diagnose(adversary),
    )
