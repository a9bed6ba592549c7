"""reg_longer: Reg, then stage 2's steps on labeled batches alone.

Source: ours: the control that tells what alignment adds from what more steps do. Its
companion, the same steps with the unlabeled images forward, is reg_da with beta 0.
"""

import dataclasses

from gmmal_jax.config import (
    AlignConfig,
    MixtureConfig,
    RegConfig,
    TrainConfig,
    alignment_steps,
)
from gmmal_jax.phases import mixture_loss, optimizer, supervised, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import Extended, Extension, extend, focus
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.supervised import SupervisedState
from gmmal_jax.types import Key, PyTree


def make(
    network: Network,
    train: TrainConfig,
    reg: RegConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
) -> Learner:
    """Stage 1 (section 3.3), then alignment's steps and rates on cross-entropy."""
    losses = (mixture_loss.make(network, reg, gmm),)
    return extend(task.make(network, losses, train), _more(network, train, da))


def _more(network: Network, train: TrainConfig, da: AlignConfig) -> Extension:
    """The steps after stage 1; of its own it has their momentum."""
    longer = dataclasses.replace(
        train,
        schedule="step",
        steps=alignment_steps(train, da),
        batch_size=da.batch_size,
        learning_rate=da.learning_rate,
        decay_at=da.decay_at,
        decay=da.decay,
        decays=1,
    )
    sgd = optimizer.sgd(train)

    def init(key: Key, base: PyTree, previous: None) -> PyTree:
        return sgd.init((base.model.params, {}))

    def get(state: Extended) -> SupervisedState:
        return SupervisedState(state.model, {}, state.own, {})

    def put(state: Extended, after: SupervisedState) -> Extended:
        return Extended(state.base._replace(model=after.model), after.optimizer)

    phase = supervised.make_phase(network, (), longer)._replace(name="longer")
    return Extension(frozenset(), init, (focus(phase, get, put),))
