"""The two phases with a critic: alternating with the network, and alone."""

from typing import Any, NamedTuple

import jax

from gmmal_jax.config import alignment_steps
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.adversary import (
    Adversary,
    critic_inputs,
    decayed,
    refit_mixtures,
)
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.critic_losses import critic_step, distance
from gmmal_jax.phases.losses import label_loss
from gmmal_jax.phases.network import forward_both
from gmmal_jax.types import Batch, Key, Metrics, ModelState, PyTree, StepBatch


def align_phase(adversary: Adversary) -> Phase:
    """Stage 2: one step of the network, then one of the critic (Algorithm 1).

    For states with fields `model`, `heads`, `align_optimizer`, `critic`. The critic
    reuses the latents of the network's step, as constants (A20).
    """

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        state, seen, metrics = network_step(adversary, key, state, batch)
        critic, critic_metrics = critic_step(
            adversary, jax.random.fold_in(key, 3), state.critic, seen.latents, batch
        )
        return state._replace(critic=critic), metrics | critic_metrics

    return _phase("alignment", adversary, step)


class Seen(NamedTuple):
    """What the network saw in its step, and made of it: labeled, unlabeled.

    Attributes:
      images: [b, h, w, ch] each, augmented.
      latents: [b, d] each, before the step.
    """

    images: tuple[jax.Array, jax.Array]
    latents: tuple[jax.Array, jax.Array]


def network_step(
    adversary: Adversary, key: Key, state: Any, batch: StepBatch
) -> tuple[Any, Seen, Metrics]:
    """One step of the network down cross-entropy and the critic's distance.

    The adversary's losses see the labeled batch, and train their heads.
    """
    network, train, da = adversary.network, adversary.train, adversary.da
    sgd = optimizer.sgd(train)
    labeled, unlabeled = batch.labeled, batch.unlabeled
    assert labeled is not None and unlabeled is not None
    masks = (labeled.mask, unlabeled.mask)
    images = (
        network.augmented(jax.random.fold_in(key, 0), labeled),
        network.augmented(jax.random.fold_in(key, 1), unlabeled),
    )
    resting = jax.random.fold_in(key, 4)

    def objective(
        trained: tuple[PyTree, dict[str, PyTree]],
    ) -> tuple[jax.Array, tuple[Any, Metrics]]:
        params, heads = trained
        model = ModelState(params, state.model.batch_stats)
        joint = da.batch_norm == "joint"
        both, stats = forward_both(network, model, images, masks, joint=joint)
        latents = (both[0].latents, both[1].latents)
        ce = label_loss(both[0].logits, batch)
        inputs = [critic_inputs(adversary, state.critic, z) for z in latents]
        apart = distance(adversary, resting, state.critic.params, inputs, batch)
        loss = ce + da.beta * apart
        terms = {"cross_entropy": ce, "distance": apart}
        for each in adversary.losses:
            terms[each.name] = each.loss(heads[each.name], None, both[0], batch)
            loss = loss + each.weight * terms[each.name]
        return loss, ((stats, latents), terms | {"loss": loss})

    rate = decayed(adversary, batch.clock, da.learning_rate)
    trained = (state.model.params, state.heads)
    done = optimizer.minimize(sgd, objective, trained, state.align_optimizer, rate)
    (params, heads), (stats, latents) = done.params, done.aux
    state = state._replace(
        model=ModelState(params, stats), heads=heads, align_optimizer=done.moments
    )
    return state, Seen(images, latents), done.metrics


def critic_phase(adversary: Adversary) -> Phase:
    """The critic alone, on a frozen network in evaluation mode.

    For states with a field `critic` and a field or property `model`. Mixtures are
    fitted once: the latents stay as they are. Source: ours: it gives learners without
    stage 2 the score that the gmm strategy fuses.
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

    phase = _phase("critic", adversary, step)
    return phase._replace(refresh_once=True, frozen=True)


def _phase(name: str, adversary: Adversary, step: Any) -> Phase:
    da, steps = adversary.da, alignment_steps(adversary.train, adversary.da)
    return Phase(
        name=name,
        step=step,
        num_steps=lambda num_labeled, num_unlabeled: steps,
        inputs=Inputs(labeled=da.batch_size, unlabeled=da.batch_size),
        refresh=refit_mixtures(adversary) if adversary.mixtures else None,
        refresh_every=da.refit_every if adversary.mixtures else 0,
        scan_safe=adversary.network.scan_safe,
    )
