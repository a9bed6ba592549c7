"""The learner's contract carries what the compared systems need: throwaway learners."""

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gmmal_jax import config as configs
from gmmal_jax.errors import UserError
from gmmal_jax.phases import task as tasks
from gmmal_jax.phases.base import Inputs, Learner, Phase, check_learner
from gmmal_jax.phases.extend import Beside, Extension, extend
from gmmal_jax.phases.losses import AuxLoss, Memory, label_loss
from gmmal_jax.phases.network import cross_entropy, global_mean
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.testing import learners, worlds
from gmmal_jax.types import AXIS, ModelState

TRAIN = configs.TrainConfig(steps=6, chunk_steps=2, batch_size=8, learning_rate=0.05)
ADAM = optax.adam(1e-2)
NETWORK = worlds.network()


def run(learner, column=None, **at):
    """A cycle that asks by a column, or at random."""
    by_column = column and Strategy(
        column,
        frozenset({column}),
        lambda key, view, *rest: {column: view.columns[column]},
    )
    task, pool = worlds.world(learner, by_column)
    outcome, chunks = worlds.cycle(task, pool, **at)
    assert 0 <= outcome.results["accuracy"] <= 1
    assert len(outcome.query.indices) == 5
    return outcome, chunks


def total(values):
    return jax.lax.psum(values, AXIS)


def base(*losses):
    return tasks.make(NETWORK, losses, TRAIN)


def differ(one, other):
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(np.any(np.asarray(a) != b) for a, b in leaves)


def extra_network():
    """A loss predictor on detached latents, beside the base, with its own optimizer."""

    def init(key, fresh, previous):
        head = jnp.zeros((tiny.LATENT, 1))
        return head, ADAM.init(head)

    def step(key, state, batch):
        rows, (head, moments) = batch.labeled, state.own
        outputs = NETWORK.predict(state.model, NETWORK.normalized(rows.images))
        losses = cross_entropy(outputs.logits, rows.labels)

        def objective(head):
            off = (outputs.latents @ head)[:, 0] - losses
            return global_mean(jnp.square(off), rows.mask)

        value, grads = total(jax.value_and_grad(objective)(head))
        updates, moments = ADAM.update(grads, moments)
        own = (optax.apply_updates(head, updates), moments)
        return state._replace(own=own), {"predictor": value}

    def readout(own, columns, images):
        return {"predicted": (columns["latents"] @ own[0])[:, 0]}

    gives = frozenset({"predicted"})
    return extend(base(), Extension(gives, init, beside=Beside(step), readout=readout))


def committee(size=3):
    """Snapshots after every second step: the spread of their votes, and its mean."""

    def init(key, fresh, previous):
        return jax.tree.map(lambda leaf: jnp.stack([leaf] * size), fresh.model)

    def step(key, state, batch):
        place = batch.clock.step // 2 % size
        own = jax.tree.map(
            lambda all_, one: all_.at[place].set(one), state.own, state.model
        )
        return state._replace(own=own), {}

    def readout(own, columns, images):
        seen = NETWORK.normalized(images)
        votes = jax.vmap(lambda one: NETWORK.predict(one, seen).logits)(own)
        spread = jax.nn.softmax(votes).var(axis=0).sum(axis=1)
        return {"logits": votes.mean(axis=0), "spread": spread}

    gives = frozenset({"logits", "spread"})
    return extend(base(), Extension(gives, init, beside=Beside(step), readout=readout))


def generative():
    """A decoder of the frozen latents, trained after the task model, on all images."""

    def step(key, state, batch):
        def objective(decoder):
            value = 0.0
            for rows in (batch.labeled, batch.unlabeled):
                images = NETWORK.normalized(rows.images)
                latents = NETWORK.predict(state.model, images).latents
                flat = images.reshape(images.shape[0], -1)
                error = jnp.square(latents @ decoder - flat).mean(axis=1)
                value += global_mean(error, rows.mask)
            return value

        value, grads = total(jax.value_and_grad(objective)(state.own))
        return state._replace(own=state.own - 0.02 * grads), {"loss": value}

    phase = Phase("decoder", step, lambda *rows: 8, Inputs(12, 60))
    decoder = jnp.zeros((tiny.LATENT, tiny.SIZE**2))
    return extend(base(), Extension(frozenset(), lambda *_: decoder, (phase,)))


def two_heads(gate=lambda clock: (clock.step < 2).astype(jnp.float32)):
    """A second classifier as an auxiliary loss with parameters of its own."""

    def columns(head, outputs):
        votes = jax.nn.softmax(outputs.latents @ head), jax.nn.softmax(outputs.logits)
        return {"disagreement": jnp.abs(votes[0] - votes[1]).sum(axis=1)}

    second = AuxLoss(
        name="second",
        weight=0.5,
        loss=lambda head, _, outputs, batch: label_loss(outputs.latents @ head, batch),
        init=lambda key: 0.1 * jax.random.normal(key, (tiny.LATENT, tiny.CLASSES)),
        gate=gate,
        measure=lambda head, *_: {"norm": jnp.linalg.norm(head)},
        gives=frozenset({"disagreement"}),
        columns=columns,
    )
    return base(second)


def remembering():
    """Pulls latents to a mean that is renewed every third step and averaged."""

    def context(key, model, batch):
        outputs = NETWORK.predict(model, NETWORK.normalized(batch.labeled.images))
        kept = jnp.where(batch.labeled.mask[:, None], outputs.latents, 0.0)
        return total(kept.sum(axis=0)) / total(batch.labeled.mask.sum()), model

    def loss(head, center, outputs, batch):
        away = jnp.square(outputs.latents - center[None]).sum(axis=1)
        return global_mean(away, batch.labeled.mask)

    memory = Memory(
        init=lambda: (jnp.zeros(tiny.LATENT), jnp.zeros(())),
        update=lambda old, mean: (old[0] + mean, old[1] + 1),
        read=lambda kept: kept[0] / jnp.maximum(kept[1], 1),
        every=3,
    )
    return base(AuxLoss("pull", 0.1, loss, context=context, memory=memory))


def continued():
    """Starts from the last cycle's network."""

    def init(key, previous):
        state = base().init(key, None)
        return state if previous is None else state._replace(model=previous)

    return base()._replace(init=init, carry=lambda state: state.model)


class Players(NamedTuple):
    """Of learners that are one phase of their own."""

    model: ModelState
    other: Any


def descended(params, grads, rate=0.05):
    return jax.tree.map(lambda p, g: p - rate * g, params, grads)


def one_phase(step, other, **phase):
    """A learner without the supervised phase: SGD of its own making."""

    def readout(state, images):
        outputs = NETWORK.predict(state.model, NETWORK.normalized(images))
        return {"logits": outputs.logits, "latents": outputs.latents}

    inputs = Inputs(labeled=8, unlabeled=8)
    phases = (Phase("one", step, lambda *rows: 6, inputs, **phase),)
    return Learner(
        tasks.GIVES,
        lambda key, previous: Players(NETWORK.init(key), other(NETWORK.init(key))),
        phases,
        readout,
        head=lambda state: NETWORK.head(state.model),
    )


def outputs_of(params, state, rows):
    model = ModelState(params, state.model.batch_stats)
    return NETWORK.predict(model, NETWORK.normalized(rows.images))


def min_max():
    """A critic climbs in odd steps, the network descends in even ones (WAAL)."""

    def step(key, state, batch):
        def value(params, critic):
            both = [
                outputs_of(params, state, b) for b in (batch.labeled, batch.unlabeled)
            ]
            means = [
                global_mean(jnp.tanh(o.latents @ critic), b.mask)
                for o, b in zip(both, (batch.labeled, batch.unlabeled), strict=True)
            ]
            return label_loss(both[0].logits, batch) + means[0] - means[1]

        params = state.model.params
        loss, (down, up) = total(jax.value_and_grad(value, (0, 1))(params, state.other))
        turn = batch.clock.step % 2
        return Players(
            state.model._replace(params=descended(params, down, 0.05 * (1 - turn))),
            descended(state.other, up, -0.05 * turn),
        ), {"loss": loss}

    return one_phase(step, lambda model: jnp.ones(tiny.LATENT))


def switching():
    """One phase whose objective changes with the step (ADS): `lax.switch`."""

    def step(key, state, batch):
        def labels(outputs):
            return label_loss(outputs.logits, batch)

        def entropy(outputs):
            log_p = jax.nn.log_softmax(outputs.logits)
            values = -(jnp.exp(log_p) * log_p).sum(axis=1)
            return global_mean(values, batch.labeled.mask)

        def objective(params):
            outputs = outputs_of(params, state, batch.labeled)
            return jax.lax.switch(batch.clock.step // 2 % 2, (labels, entropy), outputs)

        params = state.model.params
        loss, grads = total(jax.value_and_grad(objective)(params))
        model = state.model._replace(params=descended(params, grads))
        return state._replace(model=model), {"loss": loss}

    return one_phase(step, lambda model: None)


def teacher():
    """The student's average is the network that is read and carried (FixMatch)."""

    def step(key, state, batch):
        def objective(params):
            student = outputs_of(params, state, batch.labeled)
            target = jax.nn.softmax(
                outputs_of(state.model.params, state, batch.unlabeled).logits
            )
            log_p = jax.nn.log_softmax(
                outputs_of(params, state, batch.unlabeled).logits
            )
            apart = global_mean(-(target * log_p).sum(axis=1), batch.unlabeled.mask)
            return label_loss(student.logits, batch) + apart

        loss, grads = total(jax.value_and_grad(objective)(state.other))
        student = descended(state.other, grads)
        mean = optax.incremental_update(student, state.model.params, 0.1)
        return Players(state.model._replace(params=mean), student), {"loss": loss}

    return one_phase(step, lambda model: model.params)


def features():
    """A projection of the latents that strategies see in their place; no head then."""

    def readout(own, columns, images):
        return {"latents": columns["latents"] @ own}

    def init(key, fresh, previous):
        return jax.random.normal(jax.random.fold_in(key, 9), (tiny.LATENT, 2))

    return extend(base(), Extension(frozenset({"latents"}), init, readout=readout))


MAKERS = [
    extra_network, committee, generative, two_heads, remembering, continued, min_max,
    switching, teacher, features,
]  # fmt: skip


@pytest.mark.parametrize("make", MAKERS)
def test_they_all_are_learners(make):
    learners.check(lambda network: make(), devices=(2,))


def test_an_extra_network_with_its_own_optimizer():
    outcome, chunks = run(extra_network(), "predicted")
    assert np.abs(np.asarray(outcome.state.own[0])).max() > 0
    plain = run(base())[1][-1]
    chex.assert_trees_all_equal(chunks[-1].state.base, plain.state)
    assert chunks[-1].metrics["supervised"].keys() > plain.metrics["supervised"].keys()
    best = np.argsort(-outcome.query.total[outcome.view.candidates])[:5]
    rows = np.flatnonzero(outcome.view.candidates)[best]
    assert set(rows.tolist()) == set(outcome.query.indices.tolist())


def test_a_committee_of_snapshots():
    outcome, _ = run(committee(), "spread")
    steps = outcome.state.own.batch_stats["steps"]
    np.testing.assert_array_equal(steps, [2, 4, 6])
    assert (outcome.view.columns["spread"] > 0).all()
    # The votes' mean is not what the task network's classifier says.
    assert committee().head is None


def test_a_generative_model_after_the_task_model():
    _, chunks = run(generative())
    losses = [c.metrics["decoder"]["loss"] for c in chunks if c.chunk.name == "decoder"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert [c.chunk.name for c in chunks] == ["supervised"] * 3 + ["decoder"] * 4
    chex.assert_trees_all_equal(chunks[-1].state.model, chunks[2].state.model)


def test_two_heads():
    outcome, chunks = run(two_heads(), "disagreement")
    assert outcome.view.columns["disagreement"].shape == (90,)
    metrics = chunks[-1].metrics["supervised"]
    assert {"second", "second/norm", "cross_entropy", "loss"} == metrics.keys()


def test_the_gate_holds_the_gradient_back_from_the_network_only():
    """With a closed gate the network trains as without the loss; the head trains."""
    shut = run(two_heads(gate=lambda clock: jnp.zeros(())))[0].state
    chex.assert_trees_all_equal(run(base())[0].state.model, shut.model)
    fresh = two_heads().init(jax.random.key(0), None)
    assert differ(shut.heads, fresh.heads)


def test_a_loss_that_remembers():
    kept = [chunk.state.memories["pull"] for chunk in run(remembering())[1]]
    # Renewed in steps 0 and 3; chunks end after steps 2, 4 and 6.
    assert [float(count) for _, count in kept] == [1, 2, 2]
    np.testing.assert_array_equal(kept[1][0], kept[2][0])
    assert np.any(kept[0][0] != kept[1][0])


def test_the_previous_cycles_network():
    learner = continued()
    first, _ = run(learner)
    kept = jax.tree.map(np.asarray, learner.carry(first.state))
    second, _ = run(learner, previous=kept, number=1)
    assert isinstance(kept, ModelState)
    assert float(second.state.model.batch_stats["steps"]) == 12


def test_base_and_extension_carry_each_its_own():
    def init(key, fresh, previous):
        return jnp.zeros(()) if previous is None else previous + 1

    counting = Extension(frozenset(), init, carry=lambda own: own)
    learner = extend(extend(continued(), counting), counting)
    first, _ = run(learner)
    second, _ = run(learner, previous=learner.carry(first.state), number=1)
    assert float(second.state.model.batch_stats["steps"]) == 12
    assert [float(second.state.own), float(second.state.base.own)] == [1, 1]
    silent = extend(base(), Extension(frozenset(), lambda *_: jnp.zeros(())))
    assert silent.carry(run(silent)[0].state) is None


def test_players_take_turns():
    one, two = (chunk.state for chunk in run(min_max())[1][:2])
    assert differ(one.model.params, two.model.params) and differ(one.other, two.other)


def test_the_average_of_the_student_is_read():
    outcome, _ = run(teacher())
    assert differ(outcome.state.model.params, outcome.state.other)


def test_features_are_read_in_place_of_the_latents():
    outcome, _ = run(features())
    assert outcome.view.columns["latents"].shape == (90, 2)
    assert features().head is None and base().head is not None


def test_learner_and_strategy_see_the_same_candidates():
    seen = []

    def refresh(key, state, embed_pool, *step):
        seen.append(embed_pool(state))
        return state

    phase = base().phases[0]._replace(refresh=refresh)
    task, pool = worlds.world(base()._replace(phases=(phase,)))
    task = task._replace(select=configs.SelectConfig(subset_size=20))
    outcome, _ = worlds.cycle(task, pool)
    assert len(seen) == 2
    for view in seen:
        np.testing.assert_array_equal(view.candidates, outcome.view.candidates)
        assert (view.labels[~view.labeled] == -1).all()
    assert outcome.view.candidates.sum() == 20
    assert outcome.view.candidates[outcome.query.indices].all()


def test_refreshes_fall_on_chunks():
    phase = base().phases[0]._replace(refresh=lambda *_: _[1], refresh_every=3)
    with pytest.raises(ValueError, match="no multiple"):
        worlds.world(base()._replace(phases=(phase,)))


def test_a_loss_metric_is_wanted():
    def step(key, state, batch):
        return state, {"value": jnp.zeros(())}

    phase = base().phases[0]._replace(step=step)
    with pytest.raises(UserError, match=r"metrics of phase supervised: \['value'\]"):
        run(base()._replace(phases=(phase,)))


def read(**more):
    def readout(state, images):
        return base().readout(state, images) | {
            name: make(images) for name, make in more.items()
        }

    return readout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gives": tasks.GIVES | {"novelty"}}, "Learner.gives.*novelty.*logits"),
        ({"readout": read(novelty=lambda x: x[:, 0, 0, 0])}, "Learner.gives.*novelty"),
        (
            {
                "readout": read(novelty=lambda x: jnp.zeros(3)),
                "gives": tasks.GIVES | {"novelty"},
            },
            "column novelty has shape.*a row for each image",
        ),
        (
            {
                "readout": lambda state, x: {"latents": jnp.zeros((x.shape[0], 2))},
                "gives": frozenset({"latents"}),
            },
            "accuracy is measured",
        ),
        ({"phases": ()}, "Learner.phases"),
        ({"phases": base().phases * 2}, "Learner.phases"),
        ({"init": lambda key, previous: {"w": jnp.zeros(1)}}, "property model"),
        ({"head": lambda state: (jnp.zeros((3, 2)), jnp.zeros(2))}, "Learner.head"),
    ],
)
def test_a_broken_promise_is_one_line(changes, message):
    check_learner(base(), worlds.IMAGE_SHAPE)
    with pytest.raises(UserError, match=message):
        check_learner(base()._replace(**changes), worlds.IMAGE_SHAPE)


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


def test_two_losses_of_one_name_are_refused():
    twin = AuxLoss("twin", 1.0, lambda *_: jnp.zeros(()))
    with pytest.raises(ValueError, match="two losses"):
        base(twin, twin).init(jax.random.key(0), None)
