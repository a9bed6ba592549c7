"""Learners as the compared systems need them, as small as they come: to copy from."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import tiny

from gmmal_jax import config as configs
from gmmal_jax.phases import task as tasks
from gmmal_jax.phases.base import Inputs, Learner, Phase
from gmmal_jax.phases.extend import Beside, Extension, extend
from gmmal_jax.phases.losses import AuxLoss, Memory, label_loss
from gmmal_jax.phases.network import cross_entropy, global_mean
from gmmal_jax.testing import worlds
from gmmal_jax.types import AXIS, ModelState

TRAIN = configs.TrainConfig(steps=6, chunk_steps=2, batch_size=8, learning_rate=0.05)
ADAM = optax.adam(1e-2)
NETWORK = worlds.network()


def total(values):
    return jax.lax.psum(values, AXIS)


def base(*losses):
    return tasks.make(NETWORK, losses, TRAIN)


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
