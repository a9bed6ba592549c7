"""The two phases with a critic: alternating with the network, and alone."""

import functools
from typing import Any

import jax

from gmmal_jax.config import alignment_steps
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.adversary import (
    Adversary,
    CriticState,
    critic_inputs,
    critic_step,
    decayed,
    judge,
    refit_mixtures,
)
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.network import cross_entropy, forward_both, global_mean
from gmmal_jax.types import (
    Batch,
    Key,
    Metrics,
    ModelState,
    PyTree,
    StepBatch,
)


def _mean_value(
    adversary: Adversary, critic: CriticState, latents: jax.Array, mask: jax.Array
) -> jax.Array:
    inputs = critic_inputs(adversary, critic, latents)
    return global_mean(judge(adversary, critic.params, inputs), mask)


def align_phase(adversary: Adversary) -> Phase:
    """Stage 2: one step of the network, then one of the critic (Algorithm 1).

    For states with fields `model`, `align_optimizer`, `critic`. The critic reuses the
    latents of the network's step, as constants (A20).
    """
    network, train, da = adversary.network, adversary.train, adversary.da
    sgd = optimizer.sgd(train.momentum, train.weight_decay)
    joint = da.batch_norm == "joint"

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled, unlabeled = batch.labeled, batch.unlabeled
        assert labeled is not None and unlabeled is not None
        masks = (labeled.mask, unlabeled.mask)
        images = (
            network.augmented(jax.random.fold_in(key, 0), labeled),
            network.augmented(jax.random.fold_in(key, 1), unlabeled),
        )

        mean_value = functools.partial(_mean_value, adversary, state.critic)

        def objective(params: PyTree) -> tuple[jax.Array, tuple[Any, Metrics]]:
            model = ModelState(params, state.model.batch_stats)
            both, stats = forward_both(network, model, images, masks, joint=joint)
            outputs, z_u = both[0], both[1].latents
            ce = global_mean(
                cross_entropy(outputs.logits, labeled.labels), labeled.mask
            )
            distance = mean_value(z_u, masks[1]) - mean_value(outputs.latents, masks[0])
            loss = ce + da.beta * distance
            terms = {"loss": loss, "cross_entropy": ce, "distance": distance}
            return loss, ((stats, (outputs.latents, z_u)), terms)

        rate = decayed(adversary, batch.clock, da.learning_rate)
        done = optimizer.minimize(
            sgd, objective, state.model.params, state.align_optimizer, rate
        )
        stats, latents = done.aux
        critic, critic_metrics = critic_step(
            adversary, jax.random.fold_in(key, 3), state.critic, latents, batch
        )
        state = state._replace(
            model=ModelState(done.params, stats),
            align_optimizer=done.moments,
            critic=critic,
        )
        return state, done.metrics | critic_metrics

    return _phase("alignment", adversary, step)


def critic_phase(adversary: Adversary) -> Phase:
    """The critic alone, on a frozen network in evaluation mode.

    For states with a field `critic` and a field or property `model`. Source: ours: it
    gives learners without stage 2 the score that the gmm strategy fuses.
    """
    network = adversary.network

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        def latents(place: int, rows: Batch) -> jax.Array:
            images = network.augmented(jax.random.fold_in(key, place), rows)
            return network.predict(state.model, images).latents

        assert batch.labeled is not None and batch.unlabeled is not None
        pair = (latents(0, batch.labeled), latents(1, batch.unlabeled))
        critic, metrics = critic_step(
            adversary, jax.random.fold_in(key, 3), state.critic, pair, batch
        )
        metrics["loss"] = metrics["critic/loss"]
        return state._replace(critic=critic), metrics

    return _phase("critic", adversary, step)


def _phase(name: str, adversary: Adversary, step: Any) -> Phase:
    da, steps = adversary.da, alignment_steps(adversary.train, adversary.da)
    return Phase(
        name=name,
        step=step,
        num_steps=lambda num_labeled, num_unlabeled: steps,
        inputs=Inputs(labeled=da.batch_size, unlabeled=da.batch_size),
        refresh=refit_mixtures(adversary),
        refresh_every=da.refit_every,
        scan_safe=adversary.network.scan_safe,
    )
