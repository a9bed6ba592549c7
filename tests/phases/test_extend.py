"""Composition: what base and extension keep to themselves, and what is refused."""

import jax.numpy as jnp
import pytest

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import task
from gmmal_jax.phases.extend import Beside, Extension, extend
from gmmal_jax.testing import worlds

TRAIN = TrainConfig(steps=2, chunk_steps=2, batch_size=8, learning_rate=0.05)


def base(*losses):
    return task.make(worlds.network(), losses, TRAIN)


def run(learner, **at):
    return worlds.cycle(*worlds.world(learner), **at)[0]


def test_base_and_extension_carry_each_its_own():
    def init(key, fresh, previous):
        return jnp.zeros(()) if previous is None else previous + 1

    counting = Extension(frozenset(), init, carry=lambda own: own)
    learner = extend(extend(base(), counting), counting)
    first = run(learner)
    second = run(learner, previous=learner.carry(first.state), number=1)
    assert [float(second.state.own), float(second.state.base.own)] == [1, 1]
    silent = extend(base(), Extension(frozenset(), lambda *_: jnp.zeros(())))
    assert silent.carry(run(silent).state) is None


def test_what_goes_beside_a_phase_must_find_it_and_hide_no_metric():
    def step(key, state, batch):
        return state, {"loss": jnp.zeros(())}

    def beside(phases):
        going = Beside(step, phases=phases)
        return Extension(frozenset(), lambda *_: None, beside=going)

    with pytest.raises(ValueError, match="no phases of the learner"):
        extend(base(), beside(frozenset({"alignment"})))
    with pytest.raises(ValueError, match="metrics of the base"):
        run(extend(base(), beside(None)))


def test_diagnoses_are_joined_and_none_stays_none():
    def said(name):
        return Extension(
            frozenset(), lambda *_: None, diagnose=lambda own, view, held: {name: 1.0}
        )

    assert extend(base(), Extension(frozenset(), lambda *_: None)).diagnose is None
    found = run(extend(extend(base(), said("one")), said("two"))).diagnostics
    assert {"one", "two", "supervised/loss"} <= found.keys()
