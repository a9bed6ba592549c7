"""WAAL's critic, and how its authors' code lets network and critic play.

Source: Deep Active Learning: Unified and Principled Method for Query and Training (Shui
et al., 2020; arXiv:1911.09162), and its code.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from gmmal_jax.config import (
    AlignConfig,
    MixtureConfig,
    TrainConfig,
    WaalCodeConfig,
    WaalConfig,
)
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.adversary import Adversary, critic_inputs
from gmmal_jax.phases.alignment import network_step
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.critic_losses import distance, mean_penalty
from gmmal_jax.phases.network import Network, forward_both
from gmmal_jax.types import Key, Metrics, PyTree, StepBatch

CODE_RATE = 0.01
"""Learning rate of the code's three SGDs."""
CODE_PENALTY = 2.0
"""The code's weight of the penalty in the critic's step."""


def make(
    network: Network,
    train: TrainConfig,
    da: AlignConfig,
    gmm: MixtureConfig,
    waal: WaalConfig,
    infuse: str | None = None,
) -> Adversary:
    """WAAL's critic: one hidden layer with dropout, on latents.

    Slopes are penalized between labeled and unlabeled latents and at them.

    Args:
      network: whose latents it sees.
      train: momentum and weight decay of the network.
      da: steps, batches and rates of the stage.
      gmm: of the mixtures, where there are any.
      waal: the critic, and the weights.
      infuse: "gmm" appends mixture columns to the latents (appendix A.6).
    """
    settings = dataclasses.replace(
        da,
        beta=waal.alpha,
        hidden=(waal.hidden,),
        inputs="latents_mixtures" if infuse else "latents",
        output="sigmoid",
        penalty_weight=waal.penalty_weight,
    )
    return Adversary(
        network,
        train,
        settings,
        gmm,
        Critic(settings.hidden, settings.output),
        mixtures=infuse is not None,
        dropout=waal.dropout,
        penalize_ends=True,
    )


def make_of_code(
    network: Network,
    train: TrainConfig,
    gmm: MixtureConfig,
    waal: WaalConfig,
    waal_code: WaalCodeConfig,
) -> Adversary:
    """The same with the code's optimizers, its two-sided penalty and its gamma.

    The labeled batch weighs |L| / |U|, as its images are repeated so much more often.
    """
    plain = dataclasses.replace(
        train, momentum=waal_code.momentum, nesterov=False, weight_decay=0.0
    )
    da = AlignConfig(
        batch_size=waal_code.batch_size,
        learning_rate=CODE_RATE,
        decay=1.0,
        penalty_sides="two",
    )
    sgd = optimizer.sgd(plain)
    return make(network, plain, da, gmm, waal)._replace(optimizer=sgd, by_count=True)


def code_phase(adversary: Adversary, epochs: int) -> Phase:
    """Both players' steps as the code has them, for states as `align_phase` knows them.

    In the network's step the code adds a penalty without any gradient: it is left out.
    In the critic's the penalty is subtracted from a loss that is minimized, so that
    steep slopes are rewarded; units rest in it, too; the latents are those of the
    network after its step.

    Args:
      adversary: from `make_of_code`.
      epochs: passes over the larger of the labeled set and the rest.
    """
    network, da = adversary.network, adversary.da

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled, unlabeled = batch.labeled, batch.unlabeled
        assert labeled is not None and unlabeled is not None
        state, seen, metrics = network_step(adversary, key, state, batch)
        masks = (labeled.mask, unlabeled.mask)
        both, stats = forward_both(
            network, state.model, seen.images, masks, joint=False
        )
        inputs = [critic_inputs(adversary, state.critic, out.latents) for out in both]
        keys = jax.random.split(jax.random.fold_in(key, 3), 3)

        def objective(params: PyTree) -> tuple[jax.Array, tuple[None, Metrics]]:
            loss, terms = code_loss(adversary, keys, params, inputs, batch)
            return loss, (None, terms)

        critic = state.critic
        rate = jnp.asarray(da.learning_rate)
        done = optimizer.minimize(
            adversary.optimizer, objective, critic.params, critic.moments, rate
        )
        critic = critic._replace(params=done.params, moments=done.moments)
        model = state.model._replace(batch_stats=stats)
        return state._replace(model=model, critic=critic), metrics | done.metrics

    return Phase(
        name="alignment",
        step=step,
        num_steps=lambda *counts: epochs * -(-max(counts) // da.batch_size),
        inputs=Inputs(labeled=da.batch_size, unlabeled=da.batch_size),
        scan_safe=network.scan_safe,
    )


def code_loss(
    adversary: Adversary,
    keys: jax.Array,
    params: PyTree,
    inputs: Sequence[jax.Array],
    batch: StepBatch,
) -> tuple[jax.Array, Metrics]:
    """What the code's critic minimizes: -alpha (distance + 2 penalty).

    Args:
      adversary: from `make_of_code`.
      keys: three: of the places between, of units that rest in the penalty and in the
        distance.
      params: of the critic.
      inputs: [b, f] of the labeled batch, and of the unlabeled one; constants.
      batch: masks and counts.
    """
    between, in_penalty, in_distance = keys
    gap = distance(adversary, in_distance, params, inputs, batch)
    penalty = mean_penalty(adversary, between, params, inputs, batch, in_penalty)
    loss = -adversary.da.beta * (gap + CODE_PENALTY * penalty)
    return loss, {"critic/gap": gap, "critic/penalty": penalty, "critic/loss": loss}
