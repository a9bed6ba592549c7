"""The conformance of learners finds what is wrong with one."""

import itertools

import jax
import jax.numpy as jnp
import pytest

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import task
from gmmal_jax.testing import learners
from gmmal_jax.types import AXIS

TRAIN = TrainConfig(steps=4, chunk_steps=2, batch_size=8, learning_rate=0.05)


def with_step(change):
    """A learner whose step is followed by a change: (step number, state, metrics)."""

    def build(network):
        made = task.make(network, (), TRAIN)

        def step(key, state, batch):
            state, metrics = made.phases[0].step(key, state, batch)
            return change(batch.clock.step, state, metrics)

        return made._replace(phases=(made.phases[0]._replace(step=step),))

    return build


def with_bias(state, moved):
    model, params = state.model, state.model.params
    head = params["head"] | {"bias": params["head"]["bias"] + moved}
    return state._replace(model=model._replace(params=params | {"head": head}))


def own_rows_only(step, state, metrics):
    return with_bias(state, 0.01 / jax.lax.axis_size(AXIS)), metrics


def not_finite(step, state, metrics):
    return state, metrics | {"extra": jnp.log(step - 1.0)}


def thaws(network):
    """A phase that says that the network is frozen, and trains it."""
    made = task.make(network, (), TRAIN)
    return made._replace(phases=(made.phases[0]._replace(frozen=True),))


def hidden_state():
    """A refresh that counts its calls outside the state."""
    calls = itertools.count()

    def build(network):
        made = task.make(network, (), TRAIN)

        def refresh(key, state, *rest):
            return with_bias(state, 0.01 * next(calls))

        phase = made.phases[0]._replace(refresh=refresh, refresh_every=2)
        return made._replace(phases=(phase,))

    return build


def across_rows(network):
    made = task.make(network, (), TRAIN)

    def readout(state, images):
        columns = made.readout(state, images)
        logits = columns["logits"] - columns["logits"][:1]
        return columns | {"logits": logits}

    return made._replace(readout=readout)


def by_batch(network):
    made = task.make(network, (), TRAIN)

    def readout(state, images):
        seen, mask = network.normalized(images), jnp.ones(len(images), bool)
        outputs, _ = network.train(state.model, seen, mask)
        return {"logits": outputs.logits, "latents": outputs.latents}

    return made._replace(readout=readout)


def of_every_class(network):
    """A loss that divides by the rows of the first class."""
    made = task.make(network, (), TRAIN)

    def step(key, state, batch):
        state, metrics = made.phases[0].step(key, state, batch)
        first = jax.lax.psum(jnp.sum(batch.labeled.labels == 0), AXIS)
        return state, metrics | {"extra": 1.0 / first}

    return made._replace(phases=(made.phases[0]._replace(step=step),))


def other_head(network):
    made = task.make(network, (), TRAIN)

    def head(state):
        kernel, bias = network.head(state.model)
        return kernel, bias + 1

    return made._replace(head=head)


def other_weights(network):
    made = task.make(network, (), TRAIN)
    return made._replace(init=lambda key, previous: made.init(
        jax.random.fold_in(key, 7), previous))  # fmt: skip


def compiled_anew(network):
    """A refresh whose program is another function every time."""
    made = task.make(network, (), TRAIN)

    def refresh(key, state, embed_pool, step):
        jax.jit(lambda done: done + 1)(step)
        return state

    return made._replace(phases=(made.phases[0]._replace(refresh=refresh),))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (with_step(own_rows_only), "2 devices"),
        (with_step(not_finite), "extra.*not finite"),
        (thaws, "supervised is frozen, and its network is not"),
        (hidden_state(), "resumed at"),
        (across_rows, "a row depends on other rows"),
        (by_batch, "network.train is for training only"),
        (of_every_class, "extra.*not finite"),
        (other_head, "head and logits differ"),
        (other_weights, "weights of the first cycle"),
    ],
)
def test_a_fault_is_found(build, message):
    with pytest.raises(AssertionError, match=message):
        learners.check(build, devices=(2,))


def test_what_compiles_in_every_cycle_is_found():
    with pytest.raises(RuntimeError, match="no_tracing"):
        learners.check(compiled_anew, devices=())


def test_devices_that_are_not_there_are_no_silent_success():
    with pytest.raises(AssertionError, match="xla_force_host_platform_device_count=99"):
        learners.check(lambda network: task.make(network, (), TRAIN), devices=(99,))
