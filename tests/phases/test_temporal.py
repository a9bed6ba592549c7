"""Temporal training: a step by the reference, the average, plain training, carrying."""

from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax.config import TodConfig, TrainConfig
from gmmal_jax.learners import ce, tod as learner
from gmmal_jax.phases import temporal
from gmmal_jax.phases.continued import continued
from gmmal_jax.testing import worlds
from gmmal_jax.types import Batch, Clock, ModelState, StepBatch

REFERENCE = Path(__file__).parent.parent / "reference/tod.npz"
NETWORK = worlds.network()
TRAIN = TrainConfig(steps=10, chunk_steps=2, batch_size=8, learning_rate=0.05)
STEP = 3


def network_of(known, prefix):
    head = {name: known[f"{prefix}_{name}"] for name in ("kernel", "bias")}
    return {"hidden": known[f"{prefix}_hidden"], "head": head}


def rows(images, labels):
    return Batch(images, np.int32(labels), np.ones(len(images), bool))


def descended(known, kind):
    """State before and after one step of rate 1, and what it measured."""
    plain = TrainConfig(
        steps=100, batch_size=8, learning_rate=1.0, momentum=0.0, weight_decay=0.0
    )
    phase = temporal.make_phase(NETWORK, plain, TodConfig(weight=0.7, loss=kind))
    state = temporal.init(NETWORK, plain, jax.random.key(0), None)
    head = {name: known[f"params_head_{name}"] for name in ("kernel", "bias")}
    model = ModelState(network_of(known, "params"), {"steps": jnp.zeros(())})
    state = state._replace(
        model=model, head={"params": head}, average=network_of(known, "teacher")
    )
    labeled = rows(known["seen"], known["labels"])
    unlabeled = rows(known["unseen"], np.full(8, -1))
    clock = Clock(*map(jnp.asarray, (STEP, 100, 1)))
    step = worlds.on_one_device(
        lambda state, batch: phase.step(jax.random.key(0), state, batch)
    )
    return state, *step(state, StepBatch(clock, labeled, unlabeled))


@pytest.mark.parametrize("kind", ["code", "paper"])
def test_a_step_goes_down_the_references_gradient(kind):
    known = np.load(REFERENCE)
    before, after, metrics = descended(known, kind)
    loss = known[f"{kind}_loss"]
    np.testing.assert_allclose(metrics["loss"], loss, rtol=sums_of(100))
    moved = jax.tree.map(np.subtract, before.model.params, after.model.params)
    head = jax.tree.map(np.subtract, before.head, after.head)["params"]
    found = {"hidden": moved["hidden"], **moved["head"]}
    found |= {f"head_{name}": values for name, values in head.items()}
    for name, values in found.items():
        wanted = known[f"{kind}_{name}"]
        # Sums over 36 pixels and 16 rows of the gradient, then off a parameter.
        scale = np.abs(wanted).max() + np.abs(known[f"params_{name}"]).max()
        np.testing.assert_allclose(values, wanted, atol=sums_of(36 * 16) * scale)
    gone = np.abs(known[f"{kind}_head_kernel"]).max()
    assert (gone == 0) == (kind == "paper")


def test_the_average_follows_after_the_step():
    """At step 3 it keeps three quarters, of the network's parameters alone."""
    before, after, _ = descended(np.load(REFERENCE), "code")
    wanted = jax.tree.map(
        lambda old, new: 0.75 * old + 0.25 * new, before.average, after.model.params
    )
    chex.assert_trees_all_close(after.average, wanted, rtol=1e-6, atol=1e-7)


def cycle(weight=0.02, number=0, previous=None):
    made = learner.make(NETWORK, TRAIN, TodConfig(weight=weight))
    task, pool = worlds.world(made)
    return *worlds.cycle(task, pool, number, previous=previous), made


def test_weight_0_is_plain_training():
    state = cycle(weight=0.0)[0].state
    plain = worlds.cycle(*worlds.world(ce.make(NETWORK, TRAIN)))[0].state
    for one, other in zip(
        *map(jax.tree.leaves, (state.model.params, plain.model.params)), strict=True
    ):
        # Ten steps; products of twice as many rows may be added up in another order.
        scale = np.abs(other).max()
        np.testing.assert_allclose(one, other, atol=sums_of(10 * 36 * 8) * scale)
    pulled = cycle(weight=1.0)[0].state.model.params
    assert np.any(np.asarray(pulled["hidden"]) != plain.model.params["hidden"])


def test_the_next_cycle_compares_with_this_ones_network():
    first, _, made = cycle()
    assert not first.view.columns["compared"].any()
    kept = jax.tree.map(np.asarray, made.carry(first.state))
    outcome = cycle(number=1, previous=kept)[0]
    columns = outcome.view.columns
    assert columns["compared"].all() and columns["discrepancy"].shape == (worlds.ROWS,)
    wanted = temporal.discrepancy(
        *(jnp.asarray(each.view.columns["logits"]) for each in (outcome, first))
    )
    np.testing.assert_allclose(columns["discrepancy"], wanted, atol=sums_of(10))
    # The networks are two: the second starts anew.
    fresh = jax.jit(made.init)(jax.random.key(3), kept)
    chex.assert_trees_all_equal(fresh.model, jax.jit(NETWORK.init)(jax.random.key(3)))
    chex.assert_trees_all_equal(fresh.previous, kept)
    chex.assert_trees_all_equal(fresh.average, fresh.model.params)


def test_a_network_that_goes_on_is_its_own_average():
    made = continued(learner.make(NETWORK, TRAIN, TodConfig()))
    state = jax.jit(made.init)(jax.random.key(0), None)
    state = state._replace(model=jax.tree.map(lambda leaf: leaf + 1, state.model))
    begun = jax.jit(made.init)(jax.random.key(1), made.carry(state))
    chex.assert_trees_all_equal(begun.model, state.model)
    chex.assert_trees_all_equal(begun.average, state.model.params)
    chex.assert_trees_all_equal(begun.previous, state.model)
    assert begun.compared == 1


def test_unlabeled_rows_differ_from_step_to_step():
    """Not one batch throughout."""

    def look(key, state, batch):
        seen = batch.unlabeled.images.astype(jnp.float32).mean()
        return state, {"loss": jnp.zeros(()), "seen": seen}

    made = learner.make(NETWORK, TRAIN, TodConfig())
    phases = tuple(phase._replace(step=look) for phase in made.phases)
    _, chunks = worlds.cycle(*worlds.world(made._replace(phases=phases), chunk=1))
    found = {chunk.metrics["temporal"]["seen"] for chunk in chunks}
    assert len(found) == len(chunks) == 10
