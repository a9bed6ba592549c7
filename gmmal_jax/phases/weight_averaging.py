"""Stochastic weight averaging: the mean of a network's weights at its epochs' ends.

Source: Averaging Weights Leads to Wider Optima and Better Generalization (Izmailov et
al., 2018; arXiv:1803.05407), algorithm 1 with a state an epoch, and the pass for
BatchNorm that follows it.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.config import TrainConfig
from gmmal_jax.devices import total
from gmmal_jax.phases import averaging
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.extend import Extended
from gmmal_jax.phases.losses import label_loss
from gmmal_jax.phases.network import Network
from gmmal_jax.types import AXIS, Clock, Key, Metrics, ModelState, PyTree, StepBatch


class Mean(NamedTuple):
    """What is averaged so far.

    Attributes:
      params: the mean.
      states: int32, how many they are.
    """

    params: PyTree
    states: jax.Array


def init(model: ModelState) -> Mean:
    """Nothing so far: the first state takes the place of these weights."""
    return Mean(model.params, jnp.zeros((), jnp.int32))


def after_step(mean: Mean, params: PyTree, clock: Clock, start: float) -> Mean:
    """With the weights after this step, if an epoch ends with it.

    Args:
      mean: before.
      params: after the step.
      clock: of the step. Each phase begins a mean of its own.
      start: share of the steps before which nothing counts.

    Returns:
      The mean. The phase's last step counts like an epoch's, so there is one always.
    """
    done = clock.step + 1
    ends = (done % clock.epoch_steps == 0) | (done == clock.num_steps)

    def add(mean: Mean) -> Mean:
        share = averaging.warmed(mean.states, 1.0)
        return Mean(averaging.averaged(mean.params, params, share), mean.states + 1)

    mean = mean._replace(states=jnp.where(clock.step == 0, 0, mean.states))
    # All devices agree on the clock. Most steps add nothing.
    added: Mean = jax.lax.cond(
        ends & ~clock.before(start), add, lambda same: same, mean
    )
    return added


def phase(network: Network, train: TrainConfig) -> Phase:
    """The network becomes its mean, and passes over the labeled set for BatchNorm.

    Augmented images, for states whose `own` has a field `mean`. A network that was
    trained elsewhere has no mean and stays. Ours: BatchNorm's usual running averages,
    which have forgotten those of the last state after some 50 steps, where PyTorch's
    update_bn takes plain means over one pass.
    """

    def step(key: Key, state: Extended, batch: StepBatch) -> tuple[Extended, Metrics]:
        labeled, mean = batch.labeled, state.own.mean
        assert labeled is not None
        images = network.augmented(jax.random.fold_in(key, 0), labeled)
        params = jax.tree.map(
            lambda averaged, last: jnp.where(mean.states > 0, averaged, last),
            mean.params,
            state.model.params,
        )
        model = ModelState(params, state.model.batch_stats)
        outputs, stats = network.train(model, images, labeled.mask)
        loss = total(label_loss(outputs.logits, batch), AXIS)
        return state.with_model(model._replace(batch_stats=stats)), {"loss": loss}

    return Phase(
        name="weight_averaging",
        step=step,
        num_steps=lambda labeled, unlabeled: -(-labeled // train.batch_size),
        inputs=Inputs(labeled=train.batch_size),
        scan_safe=network.scan_safe,
    )
