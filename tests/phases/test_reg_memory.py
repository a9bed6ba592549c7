"""Reg's subset: forward only, sums only; and mixtures that outlast their step."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from jax.extend.core import jaxprs_in_params
from rounding import DRAWS, SAFETY, Rounding, distance

from gmmal_jax import (
    config as configs,
    cycle as cycles,
    keys,
    parallel,
    planning,
    train,
)
from gmmal_jax.learners import reg
from gmmal_jax.mixtures import classwise
from gmmal_jax.phases import mixture_loss, network as networks, supervised
from gmmal_jax.storage import checkpoint
from gmmal_jax.strategies import random
from gmmal_jax.types import AXIS, Batch, Clock, StepBatch

CHUNK, STEPS = 2, 8
TRAIN = configs.TrainConfig(
    steps=STEPS, chunk_steps=CHUNK, batch_size=8, learning_rate=0.05
)
SOFT = configs.RegConfig(alpha=0.5, subset_size=12, variance_floor=1.0)
"""With wide components, as the loss would be 0 on images that are so easy."""
FORMS = [(3, 0.0), (1, 0.9), (3, 0.9)]
"""(refit_every, statistics_decay): chunks of two begin between refits of three."""


def learner(every, decay):
    settings = dataclasses.replace(SOFT, refit_every=every, statistics_decay=decay)
    return reg.make(tiny.network(), TRAIN, settings, configs.MixtureConfig())


def trained(every, decay, num_devices=1):
    """States after each chunk, on the host; nothing compiles after the first."""
    task, pool = tiny.world(learner(every, decay), random.make(), num_devices)
    states, compiled = [], []

    def listen(name, seconds, **kwargs):
        if states and name == "/jax/core/compile/backend_compile_duration":
            compiled.append(len(states))

    def keep(chunk):
        states.append(jax.tree.map(np.array, chunk.state))

    jax.monitoring.register_event_duration_secs_listener(listen)
    cycles.run(
        task, pool, 0, 0, None, keep,
        lambda: jax.monitoring.unregister_event_duration_listener(listen),
    )  # fmt: skip
    assert not compiled
    return states


def assert_equal(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


LONGEST = tiny.SIZE**2
"""Terms of the perceptron's longest sums."""


@functools.cache
def by_hand(every, decay):
    """The same phase as a Python loop: each step is told its mixture.

    Returns:
      Model and class statistics in the end, and how far from them the same loop ends
      if its start, and every step's parameters, are rounded: bounds of each leaf.
    """
    network, gmm = tiny.network(), configs.MixtureConfig()
    plain = mixture_loss.make(network, SOFT, gmm)
    raw = mixture_loss.make(network, dataclasses.replace(SOFT, refit_every=2), gmm)

    def step(key, state, batch, mixture):
        told = plain._replace(context=lambda key, model, batch: (mixture, model))
        return supervised.make_phase(network, (told,), TRAIN).step(key, state, batch)

    def fit(classes):
        return raw.memory.read(classes)

    statistics = tiny.on_one_device(lambda *args: raw.context(*args)[0])
    step, fit = tiny.on_one_device(step), jax.jit(fit)
    task, pool = tiny.world(learner(1, 0.0), random.make())

    def loop(rounded):
        state = task.trainer.init(keys.key(0, "network", 0), None)
        return descend(every, decay, task, pool, rounded(state), rounded, steps)

    def leaves(state, classes):
        return jax.tree.leaves((state.model.params, classes))

    steps = (step, fit, statistics)
    state, classes = loop(lambda state: state)
    moved = [
        leaves(*loop(functools.partial(Rounding(i).tree, roundings=LONGEST)))
        for i in range(DRAWS)
    ]
    bounds = [
        SAFETY * max(distance(other, leaf) for other in others)
        for leaf, *others in zip(leaves(state, classes), *moved, strict=True)
    ]
    return state, classes, bounds


def descend(every, decay, task, pool, state, rounded, steps):
    """Steps of the loop, told apart by number alone."""
    step, fit, statistics = steps
    address, classes = planning.Address(0, 0, 0), None
    for number in range(STEPS):
        if number % CHUNK == 0:
            phase = task.trainer.learner.phases[0]
            data, form = planning.Data(task.images, pool), task.trainer.chunk_form
            plan = planning.Plan(form, phase, address, data, STEPS)(number)
        place = (number % CHUNK, 0)
        batch = jax.tree.map(lambda leaf, place=place: leaf[place], plan)
        key = jax.random.fold_in(address.key("augmentation"), number)
        if number % every == 0:
            fresh = statistics(jax.random.fold_in(key, 2), state.model, batch)
            if decay and classes is not None:
                fresh = classwise.discounted(classes, fresh, decay)
            classes = fresh
        state = rounded(step(key, state, batch, fit(classes))[0])
    return state, classes


def assert_near(state, classes, expected, bounds, scale=1):
    """Each leaf within its bound; and bounds that tell one training from another."""
    assert max(bounds) < 1e-2
    found = jax.tree.leaves((state.model.params, classes))
    for leaf, wanted, bound in zip(
        found, jax.tree.leaves(expected), bounds, strict=True
    ):
        assert distance(leaf, wanted) <= scale * bound, (distance(leaf, wanted), bound)


@pytest.mark.parametrize(("every", "decay"), FORMS)
def test_each_step_uses_the_last_refit(every, decay):
    """Step s has the mixture of step s - s % every, also across chunks."""
    state, classes, bounds = by_hand(every, decay)
    expected = (state.model.params, classes)
    final = trained(every, decay)[-1]
    assert_near(final, final.memories["reg"], expected, bounds)
    other = trained(1, 0.0)[-1].model.params["hidden"]
    assert distance(other, final.model.params["hidden"]) > 3 * max(bounds)


def test_the_default_remembers_nothing():
    """The state and the program are those of a loss without a memory."""
    network = tiny.network()
    made = mixture_loss.make(network, configs.RegConfig(), configs.MixtureConfig())
    assert made.memory is None
    assert trained(1, 0.0)[-1].memories == {"reg": None}
    assert "cond" not in {name for name, _ in equations(step_jaxpr(1))}
    assert "cond" in {name for name, _ in equations(step_jaxpr(2))}


def test_the_memory_stands_between_refits():
    counts = [state.memories["reg"].means for state in trained(4, 0.0)]
    np.testing.assert_array_equal(counts[0], counts[1])  # after steps 2 and 4
    assert np.any(counts[1] != counts[2])


class Stopped(Exception):
    pass


@pytest.mark.parametrize(("every", "decay"), FORMS)
def test_killed_between_refits_and_resumed(every, decay, tmp_path):
    whole = trained(every, decay)[-1]
    task, pool = tiny.world(learner(every, decay), random.make())

    def stop(chunk):
        if chunk.chunk.step == 4:
            checkpoint.save(tmp_path, "step-4", chunk.state, {})
            raise Stopped

    with pytest.raises(Stopped):
        cycles.run(task, pool, 0, 0, None, stop, lambda: None)

    def go_on(change):
        task, pool = tiny.world(learner(every, decay), random.make())
        abstract = jax.eval_shape(task.trainer.init, jax.random.key(0), None)
        found = change(checkpoint.restore_latest_good(tmp_path, abstract).state)
        state = parallel.place_state(task.trainer.mesh, found)
        resumed = train.Standing(state, train.Position(0, 4))
        return cycles.run(
            task, pool, 0, 0, resumed, lambda chunk: None, lambda: None
        ).state

    def confuse(state):
        mixed = jax.tree.map(lambda leaf: np.roll(leaf, 1, axis=0), state.memories)
        return state._replace(memories=mixed)

    assert_equal(go_on(lambda state: state), whole)
    other = go_on(confuse).model.params["hidden"]
    assert np.any(np.asarray(other) != whole.model.params["hidden"])


@pytest.mark.parametrize(("every", "decay"), FORMS)
def test_two_devices_remember_as_one(every, decay):
    one, two = (trained(every, decay, num)[-1] for num in (1, 2))
    _, _, bounds = by_hand(every, decay)
    expected = (one.model.params, one.memories["reg"])
    assert_near(two, two.memories["reg"], expected, bounds, scale=2)
    for a, b in zip(
        jax.tree.leaves(one.optimizer), jax.tree.leaves(two.optimizer), strict=True
    ):
        assert distance(a, b) <= 1e-2


BATCH, SEATS, CLASSES = 8, 7, 3
"""The subset has 21 rows, a number that no other shape below has."""


def step_jaxpr(every, only_context=False):
    """A step of Reg on a ResNet, traced for two devices that hold 21 rows each."""
    form = networks.ImageForm((8, 8, 1), (0.5,), (0.5,), pad=1)
    network = networks.make("small", 2, CLASSES, form)
    settings = configs.RegConfig(
        subset_size=SEATS * CLASSES, refit_every=every, statistics_decay=0.0
    )
    loss = mixture_loss.make(network, settings, configs.MixtureConfig())

    def rows(num):
        images = jnp.zeros((2, num, 8, 8, 1), jnp.uint8)
        return Batch(images, jnp.zeros((2, num), jnp.int32), jnp.ones((2, num), bool))

    def run(key, state, batch):
        if only_context:
            return loss.context(jax.random.fold_in(key, 2), state.model, batch)
        return supervised.make_phase(network, (loss,), TRAIN).step(key, state, batch)

    key = jax.random.key(0)
    state = jax.eval_shape(
        lambda key: supervised.init(network, (loss,), TRAIN, key), key
    )
    clock = Clock(*(jnp.full(2, n, jnp.int32) for n in (0, 1, 1)))
    batch = StepBatch(clock, labeled=rows(BATCH), subset=rows(SEATS * CLASSES))
    mapped = jax.pmap(run, AXIS, in_axes=(None, None, 0))
    return jax.make_jaxpr(mapped)(key, state, batch).jaxpr


def equations(jaxpr):
    """(primitive, shapes in and out) of all equations, inner ones too."""
    for equation in jaxpr.eqns:
        inner = list(jaxprs_in_params(equation.params))
        for part in inner:
            yield from equations(getattr(part, "jaxpr", part))
        shapes = [getattr(v.aval, "shape", ()) for v in equation.invars]
        shapes += [v.aval.shape for v in equation.outvars]
        yield equation.primitive.name, shapes


def on_subset(jaxpr):
    """Names of the arithmetic on arrays with a row for each image of the subset."""
    return sorted(
        name
        for name, shapes in equations(jaxpr)
        if any(SEATS * CLASSES in shape[:1] for shape in shapes)
    )


def test_the_subset_is_forward_only():
    """Nothing of it outside its forward pass: no residuals, no backward pass."""
    whole, forward = on_subset(step_jaxpr(1)), on_subset(step_jaxpr(1, True))
    assert whole == forward
    assert "conv_general_dilated" in forward or "dot_general" in forward


def test_devices_exchange_class_sums_only():
    """No rows travel: what is summed over devices is [], [ch], [d], [c] or [c, d].

    What is gathered are BatchNorm's moments: a count, means and squares of channels.
    """
    reduced, gathered, names = [], [], set()
    for name, shapes in equations(step_jaxpr(1, True)):
        names.add(name)
        if name.startswith("psum"):
            reduced += shapes
        if name == "all_gather":
            gathered += shapes
    assert not names & {"all_to_all", "ppermute"}
    assert (CLASSES, 16) in reduced and (CLASSES,) in reduced
    channels = (2, 4, 8, 16)
    allowed = {(), (CLASSES,), (CLASSES, 16), *((ch,) for ch in channels)}
    allowed |= {(2 * ch,) for ch in channels}  # of a scale and a bias
    assert set(reduced) <= allowed | {(1, *shape) for shape in allowed}
    assert gathered and {shape[-1] for shape in gathered} <= {
        1 + 2 * ch for ch in channels
    }
    assert all(np.prod(shape[:-1]) <= jax.device_count() for shape in gathered)
