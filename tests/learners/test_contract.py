"""The learner's contract carries what the compared systems need: throwaway learners."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gmmal_jax import config as configs, cycle as cycles
from gmmal_jax.phases import supervised, task as tasks
from gmmal_jax.phases.base import Inputs, Learner, Phase
from gmmal_jax.phases.losses import AuxLoss, Memory
from gmmal_jax.phases.network import cross_entropy, global_mean
from gmmal_jax.strategies import random
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import AXIS, ModelState

TRAIN = configs.TrainConfig(steps=6, chunk_steps=2, batch_size=8, learning_rate=0.05)
ADAM = optax.adam(1e-2)


def run(learner, strategy=None, previous=None, cycle=0):
    task, pool = tiny.world(learner, strategy or random.make())
    chunks, standing = [], cycles.begin(task, cycle, previous)
    outcome = cycles.run(task, pool, cycle, 5, standing, chunks.append, lambda: None)
    assert 0 <= outcome.results["accuracy"] <= 1
    assert len(outcome.query.indices) == 5
    return outcome, chunks


class ExtraState(NamedTuple):
    base: Any
    head: Any
    moments: Any

    @property
    def model(self):
        return self.base.model


def extra_network():
    """A loss predictor on detached latents, with an optimizer of its own."""
    network = tiny.network()
    base = tasks.make(network, (), TRAIN)

    def init(key, previous):
        head = {"w": jnp.zeros((tiny.LATENT, 1))}
        return ExtraState(base.init(key, previous), head, ADAM.init(head))

    def step(key, state, batch):
        trained, metrics = base.phases[0].step(key, state.base, batch)
        rows = batch.labeled
        outputs = network.predict(
            jax.lax.stop_gradient(trained.model), network.normalized(rows.images)
        )
        losses = cross_entropy(outputs.logits, rows.labels)

        def objective(head):
            predicted = (outputs.latents @ head["w"])[:, 0]
            return global_mean(jnp.square(predicted - losses), rows.mask)

        value, grads = jax.value_and_grad(objective)(state.head)
        value, grads = jax.lax.psum((value, grads), AXIS)
        updates, moments = ADAM.update(grads, state.moments)
        head = optax.apply_updates(state.head, updates)
        return ExtraState(trained, head, moments), metrics | {"head": value}

    def readout(state, images):
        columns = base.readout(state.base, images)
        predicted = (columns["latents"] @ state.head["w"])[:, 0]
        return columns | {"predicted_loss": predicted}

    phase = base.phases[0]._replace(step=step)
    return Learner(base.gives | {"predicted_loss"}, init, (phase,), readout)


def by_predicted_loss():
    return Strategy(
        "predicted_loss",
        frozenset({"predicted_loss"}),
        lambda key, view: {"loss": view.columns["predicted_loss"]},
    )


def test_an_extra_network_with_its_own_optimizer():
    outcome, _ = run(extra_network(), by_predicted_loss())
    assert np.abs(np.asarray(outcome.state.head["w"])).max() > 0
    assert set(outcome.query.scores) == {"loss"}
    best = np.argsort(-outcome.query.total[outcome.view.candidates])[:5]
    rows = np.flatnonzero(outcome.view.candidates)[best]
    assert set(rows.tolist()) == set(outcome.query.indices.tolist())


class CommitteeState(NamedTuple):
    base: Any
    members: Any
    count: Any

    @property
    def model(self):
        return self.base.model


def committee(size=3):
    """Snapshots of the network taken between chunks; the readout averages them."""
    network = tiny.network()
    base = tasks.make(network, (), TRAIN)

    def init(key, previous):
        state = base.init(key, previous)
        members = jax.tree.map(lambda x: jnp.stack([x] * size), state.model)
        return CommitteeState(state, members, jnp.zeros((), jnp.int32))

    def step(key, state, batch):
        trained, metrics = base.phases[0].step(key, state.base, batch)
        return state._replace(base=trained), metrics

    def refresh(key, state, embed_pool, step):
        place = int(state.count) % size
        members = jax.tree.map(
            lambda all_, one: all_.at[place].set(one), state.members, state.model
        )
        return state._replace(members=members, count=state.count + 1)

    def readout(state, images):
        def one(member):
            return tasks.readout(network, member, images)["logits"]

        logits = jax.vmap(one)(state.members)
        spread = jax.nn.softmax(logits).var(axis=0).sum(axis=1)
        return {"logits": logits.mean(axis=0), "spread": spread}

    phase = base.phases[0]._replace(step=step, refresh=refresh, refresh_every=2)
    return Learner(frozenset({"logits", "spread"}), init, (phase,), readout)


def test_a_committee_of_snapshots():
    spread = Strategy(
        "spread",
        frozenset({"spread"}),
        lambda key, view: {"spread": view.columns["spread"]},
    )
    outcome, _ = run(committee(), spread)
    assert int(outcome.state.count) == 4  # before, twice between, and after
    hidden = np.asarray(outcome.state.members.params["hidden"])
    assert not np.allclose(hidden[0], hidden[1])
    assert (outcome.view.columns["spread"] > 0).all()


class GenerativeState(NamedTuple):
    base: Any
    decoder: Any

    @property
    def model(self):
        return self.base.model


def generative():
    """A decoder of the frozen latents, trained after the task model, on all images."""
    network = tiny.network()
    base = tasks.make(network, (), TRAIN)

    def init(key, previous):
        decoder = jnp.zeros((tiny.LATENT, tiny.SIZE**2))
        return GenerativeState(base.init(key, previous), decoder)

    def lift(phase):
        def step(key, state, batch):
            trained, metrics = phase.step(key, state.base, batch)
            return state._replace(base=trained), metrics

        return phase._replace(step=step)

    def reconstruct(key, state, batch):
        def objective(decoder):
            total = 0.0
            for rows in (batch.labeled, batch.unlabeled):
                images = network.normalized(rows.images)
                latents = network.predict(state.model, images).latents
                flat = images.reshape(images.shape[0], -1)
                error = jnp.square(latents @ decoder - flat).mean(axis=1)
                total += global_mean(error, rows.mask)
            return total

        value, grads = jax.value_and_grad(objective)(state.decoder)
        value, grads = jax.lax.psum((value, grads), AXIS)
        return state._replace(decoder=state.decoder - 0.02 * grads), {"loss": value}

    second = Phase("decoder", reconstruct, lambda labeled, unlabeled: 8, Inputs(12, 60))
    return Learner(
        base.gives,
        init,
        (*map(lift, base.phases), second),
        lambda state, images: base.readout(state.base, images),
    )


def test_a_generative_model_after_the_task_model():
    outcome, chunks = run(generative())
    losses = [c.metrics["decoder"]["loss"] for c in chunks if c.chunk.name == "decoder"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert [c.chunk.name for c in chunks] == ["supervised"] * 3 + ["decoder"] * 4


def two_heads():
    """A second classifier as an auxiliary loss with parameters of its own."""
    network = tiny.network()

    def loss(head, context, outputs, batch):
        values = cross_entropy(outputs.latents @ head, batch.labeled.labels)
        return global_mean(values, batch.labeled.mask)

    second = AuxLoss(
        "second",
        0.5,
        loss,
        init=lambda key: 0.1 * jax.random.normal(key, (tiny.LATENT, tiny.CLASSES)),
        gate=lambda clock: (clock.step < 2).astype(jnp.float32),
    )
    base = tasks.make(network, (second,), TRAIN)

    def readout(state, images):
        columns = base.readout(state, images)
        other = columns["latents"] @ state.heads[0]
        gap = jnp.abs(jax.nn.softmax(other) - jax.nn.softmax(columns["logits"]))
        return columns | {"disagreement": gap.sum(axis=1)}

    return base._replace(gives=base.gives | {"disagreement"}, readout=readout)


def test_two_heads():
    outcome, chunks = run(two_heads())
    assert outcome.view.columns["disagreement"].shape == (90,)
    metrics = chunks[-1].metrics["supervised"]
    assert {"second", "second/gradient_ratio", "cross_entropy"} <= set(metrics)


def test_the_gate_holds_the_gradient_back_from_the_network_only():
    """With a closed gate the network trains as without the loss; the head trains."""
    network = tiny.network()

    def loss(head, context, outputs, batch):
        values = cross_entropy(outputs.latents @ head, batch.labeled.labels)
        return global_mean(values, batch.labeled.mask)

    zero = jnp.zeros((tiny.LATENT, tiny.CLASSES))
    shut = AuxLoss(
        "second", 1.0, loss, init=lambda key: zero, gate=lambda clock: jnp.zeros(())
    )
    finals = [
        run(tasks.make(network, losses, TRAIN))[0].state for losses in ((), (shut,))
    ]
    for plain, gated in zip(
        jax.tree.leaves(finals[0].model), jax.tree.leaves(finals[1].model), strict=True
    ):
        np.testing.assert_array_equal(np.asarray(plain), np.asarray(gated))
    assert np.abs(np.asarray(finals[1].heads[0])).max() > 0


def remembering():
    """Pulls latents to a mean that is renewed every third step and averaged."""
    network = tiny.network()

    def context(key, model, batch):
        outputs = network.predict(model, network.normalized(batch.labeled.images))
        count = jax.lax.psum(batch.labeled.mask.sum(), AXIS)
        kept = jnp.where(batch.labeled.mask[:, None], outputs.latents, 0.0)
        return jax.lax.psum(kept.sum(axis=0), AXIS) / count, model

    def loss(head, center, outputs, batch):
        away = jnp.square(outputs.latents - center[None]).sum(axis=1)
        return global_mean(away, batch.labeled.mask)

    memory = Memory(
        init=lambda: (jnp.zeros(tiny.LATENT), jnp.zeros(())),
        update=lambda old, mean: (old[0] + mean, old[1] + 1),
        read=lambda kept: kept[0] / jnp.maximum(kept[1], 1),
        every=3,
    )
    pull = AuxLoss("pull", 0.1, loss, context=context, memory=memory)
    return tasks.make(network, (pull,), TRAIN)


def test_a_loss_that_remembers():
    kept = []
    task, pool = tiny.world(remembering(), random.make())
    cycles.run(
        task, pool, 0, 0, None,
        lambda chunk: kept.append(jax.tree.map(np.array, chunk.state.memories[0])),
        lambda: None,
    )  # fmt: skip
    # Renewed in steps 0 and 3; chunks end after steps 2, 4 and 6.
    assert [float(count) for _, count in kept] == [1, 2, 2]
    np.testing.assert_array_equal(kept[1][0], kept[2][0])
    assert np.any(kept[0][0] != kept[1][0])


def continued():
    """Starts from the last cycle's network and remembers where it came from."""
    network = tiny.network()
    base = tasks.make(network, (), TRAIN)

    def init(key, previous):
        state = base.init(key, None)
        return state if previous is None else state._replace(model=previous)

    return base._replace(init=init, carry=lambda state: state.model)


def test_the_previous_cycles_network():
    learner = continued()
    first, _ = run(learner)
    kept = jax.tree.map(np.asarray, learner.carry(first.state))
    second, _ = run(learner, previous=kept, cycle=1)
    assert isinstance(kept, ModelState)
    assert float(second.state.model.batch_stats["steps"]) == 12


def test_learner_and_strategy_see_the_same_candidates():
    seen = []
    base = tasks.make(tiny.network(), (), TRAIN)

    def refresh(key, state, embed_pool, step):
        seen.append(embed_pool(state))
        return state

    learner = base._replace(phases=(base.phases[0]._replace(refresh=refresh),))
    task, pool = tiny.world(learner, random.make())
    task = task._replace(select=configs.SelectConfig(subset_size=20))
    outcome = cycles.run(task, pool, 0, 5, None, lambda c: None, lambda: None)
    assert len(seen) == 2
    for view in seen:
        np.testing.assert_array_equal(view.candidates, outcome.view.candidates)
        assert (view.labels[~view.labeled] == -1).all()
    assert outcome.view.candidates.sum() == 20
    assert outcome.view.candidates[outcome.query.indices].all()


@pytest.mark.parametrize("make", [extra_network, two_heads, remembering])
def test_two_devices_train_as_one(make):
    finals = []
    for devices in (1, 2):
        task, pool = tiny.world(make(), random.make(), num_devices=devices)
        outcome = cycles.run(task, pool, 0, 5, None, lambda c: None, lambda: 0)
        finals.append(jax.tree.leaves(outcome.state.model))
    for one, two in zip(*finals, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=2e-4)


def test_refreshes_fall_on_chunks():
    learner = committee()
    phase = learner.phases[0]._replace(refresh_every=3)
    with pytest.raises(ValueError, match="no multiple"):
        tiny.world(learner._replace(phases=(phase,)))


def test_supervised_state_names_are_the_contract_of_its_phase():
    assert supervised.SupervisedState._fields == (
        "model", "heads", "optimizer", "memories",
    )  # fmt: skip
