"""Reg: the loss on mixture posteriors of a class-balanced subset (section 3.3)."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from gmmal_jax import numerics
from gmmal_jax.config import MixtureConfig, RegConfig
from gmmal_jax.devices import total
from gmmal_jax.mixtures import classwise, gaussian, refit
from gmmal_jax.mixtures.classwise import ClassStatistics
from gmmal_jax.phases.base import Inputs
from gmmal_jax.phases.losses import AuxLoss, Memory, label_loss
from gmmal_jax.phases.network import Network, global_mean
from gmmal_jax.types import (
    AXIS,
    Key,
    Metrics,
    Mixture,
    ModelState,
    Outputs,
    StepBatch,
)

SATURATED = 0.999
"""A posterior above this counts as saturated."""


def make(network: Network, reg: RegConfig, gmm: MixtureConfig) -> AuxLoss:
    """The mixture loss: mean of -log p(y | z; mixture of the subset).

    The subset's forward pass, and hence the mixture, is outside the gradient, which
    flows through the labeled batch's latents only.

    Source: section 3.3; the subset's size and alpha from A.1. Subsets that serve
    several steps, and running statistics, are ours.
    """
    seats = max(1, reg.subset_size // network.num_classes)
    statistics = functools.partial(_statistics, network, reg.batch_norm)
    to_mixture = functools.partial(_to_mixture, reg, gmm)

    def context(
        key: Key, model: ModelState, batch: StepBatch
    ) -> tuple[Mixture, ModelState]:
        classes, model = statistics(key, model, batch)
        return to_mixture(classes), model

    made = AuxLoss(
        name="reg",
        weight=reg.alpha,
        loss=_loss,
        context=context,
        inputs=Inputs(subset=seats * network.num_classes),
        measure=functools.partial(_measure, network, reg.alpha),
    )
    if reg.refit_every == 1 and reg.statistics_decay == 0:
        return made
    return made._replace(context=statistics, memory=_memory(network, reg, to_mixture))


def _statistics(
    network: Network, batch_norm: str, key: Key, model: ModelState, batch: StepBatch
) -> tuple[ClassStatistics, ModelState]:
    """Of the subset's classes; and the model, which only batch_update changes (A11)."""
    assert batch.subset is not None
    images, mask = network.augmented(key, batch.subset), batch.subset.mask
    if batch_norm == "eval":
        outputs = network.predict(model, images)
    else:
        outputs, stats = network.train(model, images, mask)
        if batch_norm == "batch_update":
            model = model._replace(batch_stats=stats)
    classes = classwise.statistics(
        outputs.latents,
        batch.subset.labels,
        mask,
        num_classes=network.num_classes,
        axis_name=AXIS,
    )
    return classes, model


def _to_mixture(
    reg: RegConfig, gmm: MixtureConfig, classes: ClassStatistics
) -> Mixture:
    return classwise.to_mixture(
        classes,
        covariance=gmm.covariance,
        floor=refit.latent_floor(gmm, mean_share=reg.variance_floor),
        shrinkage=gmm.shrinkage,
        weights="uniform",
    )


def _loss(
    parameters: None, mixture: Mixture, outputs: Outputs, batch: StepBatch
) -> jax.Array:
    return label_loss(gaussian.log_joint(outputs.latents, mixture), batch)


def _measure(
    network: Network,
    alpha: float,
    parameters: None,
    mixture: Mixture,
    model: ModelState,
    outputs: Outputs,
    batch: StepBatch,
) -> Metrics:
    assert batch.labeled is not None
    posteriors = gaussian.log_posteriors(outputs.latents, mixture)
    saturated = (posteriors.max(axis=1) > jnp.log(SATURATED)).astype(jnp.float32)
    share = total(global_mean(saturated, batch.labeled.mask), AXIS)
    present = (mixture.weights > 0)[:, None]
    smallest = jnp.min(jnp.where(present, mixture.variances, jnp.inf))
    found = {"saturated_posteriors": share, "smallest_variance": smallest}
    if network.head is not None:
        ours, theirs = _pulls(mixture, network.head(model), outputs, batch)
        found["gradient_ratio"] = alpha * ours / jnp.maximum(theirs, 1e-30)
    return found


def _pulls(
    mixture: Mixture,
    head: tuple[jax.Array, jax.Array],
    outputs: Outputs,
    batch: StepBatch,
) -> tuple[jax.Array, jax.Array]:
    """|d loss / d latents| and |d cross-entropy / d latents| on the batch."""
    kernel, bias = head

    def classify(latents: jax.Array) -> jax.Array:
        logits = numerics.matmul(latents, kernel)
        return label_loss(logits + bias[None, :], batch)

    def penalize(latents: jax.Array) -> jax.Array:
        return label_loss(gaussian.log_joint(latents, mixture), batch)

    pulls = [jax.grad(f)(outputs.latents) for f in (penalize, classify)]
    ours, theirs = (jnp.sqrt(total(jnp.sum(jnp.square(p)), AXIS)) for p in pulls)
    return ours, theirs


def _memory(
    network: Network, reg: RegConfig, read: Callable[[ClassStatistics], Mixture]
) -> Memory:
    """Class statistics that outlast their step, in place of a subset a step."""

    def update(old: ClassStatistics, new: ClassStatistics) -> ClassStatistics:
        decay = reg.statistics_decay
        return classwise.discounted(old, new, decay) if decay else new

    return Memory(
        init=lambda: classwise.no_statistics(network.num_classes, network.latent_size),
        update=update,
        read=read,
        every=reg.refit_every,
    )
