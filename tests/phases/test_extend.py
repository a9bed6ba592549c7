"""Composition: what base and extension keep to themselves, and what is refused."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny import config, made

from gmmal_jax import cycle as cycles, train
from gmmal_jax.config import TrainConfig
from gmmal_jax.errors import UserError
from gmmal_jax.learners import reg_da
from gmmal_jax.phases import task
from gmmal_jax.phases.base import with_model
from gmmal_jax.phases.extend import Beside, Extension, extend
from gmmal_jax.testing import worlds
from gmmal_jax.types import ModelState

SETTINGS = config(**{"train.learning_rate": 0.05})
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


def test_a_network_trained_elsewhere_begins_a_later_phase_as_its_own_would():
    """Branching is running through, to the bit; all but the network is fresh."""
    learner = made(reg_da.make, SETTINGS)
    task, pool = worlds.world(learner)
    whole, stands = worlds.cycle(task, pool)
    ended = next(s for s in stands if s.position == train.Position(1))
    begun = cycles.begin(task, 0, None, ended.state.model, phase=1)
    outcome, after = worlds.cycle(task, pool, start=begun)
    assert after[0].position.phase == 1
    for ours, theirs in zip(
        jax.tree.leaves((outcome.state.model, outcome.state.own)),
        jax.tree.leaves((whole.state.model, whole.state.own)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert outcome.results == whole.results
    assert np.isfinite(ended.state.model.params["hidden"]).all()  # not donated


def test_states_that_take_no_network_say_what_they_need():
    class Closed(NamedTuple):
        inner: int

    network = ModelState({}, {})
    with pytest.raises(UserError, match="Closed.*with_model"):
        with_model(Closed(1), network)
    with pytest.raises(UserError, match="with_model"):
        with_model({"model": 1}, network)
