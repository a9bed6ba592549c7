"""reg_longer: Reg, then stage 2's steps on labeled batches alone.

Source: ours: the control that tells what alignment adds from what more steps do. Its
companion, the same steps with the unlabeled images forward, is reg_da with beta 0.
"""

import dataclasses
from typing import Any, NamedTuple

import jax

from gmmal_jax.config import Config
from gmmal_jax.phases import mixture_loss, optimizer, supervised, task
from gmmal_jax.phases.base import Inputs, Learner, Phase
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.supervised import SupervisedState
from gmmal_jax.types import Key, Metrics, ModelState, PyTree, StepBatch


class RegLongerState(NamedTuple):
    """Stage 1's state and the fresh optimizer of the steps after it.

    Attributes:
      first: what stage 1 trains; its model goes on.
      second_optimizer: momentum of the steps after stage 1.
    """

    first: SupervisedState
    second_optimizer: PyTree

    @property
    def model(self) -> ModelState:
        """The task network."""
        return self.first.model


def make(network: Network, config: Config) -> Learner:
    """Stage 1 (section 3.3), then alignment's steps and rates on cross-entropy."""
    losses = (mixture_loss.make(network, config.reg, config.gmm),)
    train, da = config.train, config.da

    def init(key: Key, previous: None) -> RegLongerState:
        first = supervised.init(network, losses, train, key)
        sgd = optimizer.sgd(train.momentum, train.weight_decay)
        return RegLongerState(first, sgd.init((first.model.params, ())))

    def columns(state: RegLongerState, images: jax.Array) -> dict[str, jax.Array]:
        return task.readout(network, state.model, images)

    longer = dataclasses.replace(
        train,
        schedule="step",
        steps=config.alignment_steps,
        batch_size=da.batch_size,
        learning_rate=da.learning_rate,
        decay_at=da.decay_at,
        decay=da.decay,
    )
    phases = (
        _first(supervised.make_phase(network, losses, train)),
        _second(supervised.make_phase(network, (), longer)),
    )
    return Learner(gives=task.GIVES, init=init, phases=phases, readout=columns)


def _first(phase: Phase) -> Phase:
    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        first, metrics = phase.step(key, state.first, batch)
        return state._replace(first=first), metrics

    return phase._replace(step=step)


def _second(phase: Phase) -> Phase:
    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        seen = SupervisedState(state.model, (), state.second_optimizer, ())
        after, metrics = phase.step(key, seen, batch)
        first = state.first._replace(model=after.model)
        return RegLongerState(first, after.optimizer), metrics

    return phase._replace(name="longer", step=step, inputs=Inputs(phase.inputs.labeled))
