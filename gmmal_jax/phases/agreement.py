"""Two heads on one network: it makes them agree on the pool, they part from each other.

One phase of three kinds of steps. Notation: y of each head, sigmoids [b, c]; d, the
mean over classes of their absolute difference; E, the mean entropy of both in bits.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmmal_jax.config import AdsConfig, TrainConfig
from gmmal_jax.models.linear import linear
from gmmal_jax.models.prototype_head import PrototypeHead
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.network import Network, forward_both, global_mean
from gmmal_jax.types import Batch, Clock, Key, Metrics, ModelState, PyTree, StepBatch

THRESHOLD = 0.1
"""Of the entropy, in bits, at which agreement and discrepancy weigh the same."""
LABELS, AGREEMENT, DISCREPANCY = range(3)
"""Kinds of steps."""


class Moments(NamedTuple):
    """Optimizers of the three kinds of steps, each of what its steps train."""

    labels: PyTree
    agreement: PyTree
    discrepancy: PyTree


class AgreementState(NamedTuple):
    """What the phase trains.

    Attributes:
      model: the task network, whose own classifier plays no part.
      heads: parameters of both.
      moments: of the optimizers.
    """

    model: ModelState
    heads: tuple[PyTree, PyTree]
    moments: Moments


def init(
    network: Network, train: TrainConfig, ads: AdsConfig, key: Key
) -> AgreementState:
    """Fresh weights; the heads draw from `fold_in(key, 2)` and 3."""
    model, latents = network.init(key), jnp.zeros((1, network.latent_size))
    first, second = (
        head(network, ads).init(jax.random.fold_in(key, place), latents)
        for place in (2, 3)
    )
    heads = (first, second)
    sgd = optimizer.sgd(train)
    moments = Moments(
        labels=sgd.init((model.params, heads)),
        agreement=sgd.init(model.params),
        discrepancy=sgd.init(heads),
    )
    return AgreementState(model, heads, moments)


def head(network: Network, ads: AdsConfig) -> nn.Module:
    """The form of both heads, on latents [b, d]."""
    if ads.head == "linear":
        return linear(network.latent_size, network.num_classes)
    return PrototypeHead(network.num_classes)


def make_phase(network: Network, train: TrainConfig, ads: AdsConfig) -> Phase:
    """An epoch of labels, then epochs of agreement, discrepancy and labels.

    The unlabeled rows are of this cycle's candidates.

    Source: Fu et al., 2021 (Agreement-Discrepancy-Selection). Ours: each kind of step
    keeps its momentum and follows the learning rate's schedule (their code makes new
    optimizers in every unlabeled step), a step of discrepancy reads other rows than the
    one of agreement before it, and weights count as `AdsConfig.weights` says.
    """

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        # All devices agree on the clock, so all meet in the sums of the same branch.
        kinds = [
            lambda state, kind=kind: kind(network, train, ads, key, state, batch)
            for kind in (_labels, _agreement, _discrepancy)
        ]
        after: tuple[Any, Metrics] = jax.lax.switch(
            kind_of(batch.clock, ads.unlabeled_steps), kinds, state
        )
        return after

    return Phase(
        name="agreement",
        step=step,
        num_steps=num_steps(train, ads),
        inputs=Inputs(train.batch_size, train.batch_size, candidates=True),
        scan_safe=network.scan_safe,
    )


def num_steps(train: TrainConfig, ads: AdsConfig) -> Callable[[int, int], int]:
    """(labeled, unlabeled rows) -> steps of all kinds: given, or by epochs."""

    def count(num_labeled: int, num_unlabeled: int) -> int:
        if train.steps is not None:
            return train.steps
        labels = -(-num_labeled // train.batch_size)
        return labels + train.epochs * (2 * ads.unlabeled_steps + labels)

    return count


def kind_of(clock: Clock, unlabeled_steps: int) -> jax.Array:
    """Which kind of step this one is, int32."""
    labels = clock.epoch_steps
    place = (clock.step - labels) % (2 * unlabeled_steps + labels)
    later = jnp.where(
        place < unlabeled_steps,
        AGREEMENT,
        jnp.where(place < 2 * unlabeled_steps, DISCREPANCY, LABELS),
    )
    return jnp.where(clock.step < labels, LABELS, later)


def _labels(
    network: Network,
    train: TrainConfig,
    ads: AdsConfig,
    key: Key,
    state: AgreementState,
    batch: StepBatch,
) -> tuple[AgreementState, Metrics]:
    """Network and heads learn the labels."""
    labeled = batch.labeled
    assert labeled is not None
    images = network.augmented(jax.random.fold_in(key, 0), labeled)

    def objective(trained: tuple[PyTree, Any]) -> tuple[jax.Array, Any]:
        params, heads = trained
        model = ModelState(params, state.model.batch_stats)
        outputs, stats = network.train(model, images, labeled.mask)
        loss = label_loss(both(network, ads, heads, outputs.latents), labeled)
        return loss, (stats, {"loss": loss})

    trained, moments = (state.model.params, state.heads), state.moments
    done = _minimized(train, objective, trained, moments.labels, batch)
    params, heads = done.params
    moments = moments._replace(labels=done.moments)
    return AgreementState(ModelState(params, done.aux), heads, moments), done.metrics


def _agreement(
    network: Network,
    train: TrainConfig,
    ads: AdsConfig,
    key: Key,
    state: AgreementState,
    batch: StepBatch,
) -> tuple[AgreementState, Metrics]:
    """The network makes the heads agree, above all where they are certain."""
    unlabeled = batch.unlabeled
    assert unlabeled is not None
    images = network.augmented(jax.random.fold_in(key, 1), unlabeled)

    def objective(params: PyTree) -> tuple[jax.Array, Any]:
        model = ModelState(params, state.model.batch_stats)
        outputs, stats = network.train(model, images, unlabeled.mask)
        logits = both(network, ads, state.heads, outputs.latents)
        apart = (1 - weights(logits)) * distance(logits)
        loss = _share(train, ads) * global_mean(apart, unlabeled.mask)
        return loss, (stats, {"loss": loss})

    moments = state.moments
    done = _minimized(train, objective, state.model.params, moments.agreement, batch)
    return state._replace(
        model=ModelState(done.params, done.aux),
        moments=moments._replace(agreement=done.moments),
    ), done.metrics


def _discrepancy(
    network: Network,
    train: TrainConfig,
    ads: AdsConfig,
    key: Key,
    state: AgreementState,
    batch: StepBatch,
) -> tuple[AgreementState, Metrics]:
    """The heads part where they are uncertain, and learn the labels."""
    labeled, unlabeled = batch.labeled, batch.unlabeled
    assert labeled is not None and unlabeled is not None
    images = (
        network.augmented(jax.random.fold_in(key, 0), labeled),
        network.augmented(jax.random.fold_in(key, 1), unlabeled),
    )
    masks = (labeled.mask, unlabeled.mask)
    (seen, unseen), stats = forward_both(
        network, state.model, images, masks, joint=False
    )

    def objective(heads: Any) -> tuple[jax.Array, Any]:
        loss = label_loss(both(network, ads, heads, seen.latents), labeled)
        logits = both(network, ads, heads, unseen.latents)
        alike = weights(logits) * (1 - distance(logits))
        loss = loss + _share(train, ads) * global_mean(alike, unlabeled.mask)
        return loss, (None, {"loss": loss})

    moments = state.moments
    done = _minimized(train, objective, state.heads, moments.discrepancy, batch)
    return AgreementState(
        state.model._replace(batch_stats=stats),
        done.params,
        moments._replace(discrepancy=done.moments),
    ), done.metrics


def _minimized(
    train: TrainConfig, objective: Any, trained: Any, moments: PyTree, batch: StepBatch
) -> optimizer.Minimized:
    sgd = optimizer.sgd(train)
    rate = optimizer.scheduled(batch.clock, train)
    return optimizer.minimize(sgd, objective, trained, moments, rate)


def _share(train: TrainConfig, ads: AdsConfig) -> float:
    """The code divides weights by the batch, and their mean by it once more."""
    return 1 / train.batch_size if ads.weights == "code" else 1.0


def both(
    network: Network, ads: AdsConfig, heads: tuple[PyTree, PyTree], latents: jax.Array
) -> Float[Array, "2 b c"]:
    """Logits of both heads."""
    form = head(network, ads)
    return jnp.stack([jnp.asarray(form.apply(each, latents)) for each in heads])


def label_loss(logits: Float[Array, "2 b c"], labeled: Batch) -> Float[Array, ""]:
    """This device's share of the binary cross-entropies of both heads' classes."""
    truth = jax.nn.one_hot(labeled.labels, logits.shape[2])
    losses = jax.nn.softplus(logits) - truth[None] * logits
    return global_mean(losses.sum(axis=(0, 2)), labeled.mask)


def distance(logits: Float[Array, "2 b c"]) -> Float[Array, " b"]:
    """d, in [0, 1]: mean absolute difference of the heads' sigmoids."""
    first, second = jax.nn.sigmoid(logits)
    return jnp.mean(jnp.abs(first - second), axis=1)


def mean_entropy(logits: Float[Array, "2 b c"]) -> Float[Array, " b"]:
    """E in bits, in [0, log2 c]: of sigmoids divided by their sum, as in the code."""
    log_p = jax.nn.log_softmax(jax.nn.log_sigmoid(logits))
    entropies = -jnp.sum(jnp.exp(log_p) * log_p, axis=2)
    return entropies.mean(axis=0) / math.log(2)


def weights(logits: Float[Array, "2 b c"]) -> Float[Array, " b"]:
    """How uncertain the heads are, in (0, 1): the discrepancy's weight, a constant."""
    doubt = jax.nn.sigmoid(mean_entropy(logits) - THRESHOLD)
    return jax.lax.stop_gradient(doubt)


def mean_logits(logits: Float[Array, "2 b c"]) -> Float[Array, "b c"]:
    """Log of the mean of both sigmoids; its largest class is the prediction."""
    chances = jax.nn.log_sigmoid(logits)
    small = jnp.logaddexp(chances[0], chances[1]) - math.log(2)
    # Near 1, what lacks is exact where the mean itself would round to 1.
    lacks = jax.nn.sigmoid(-logits).mean(axis=0)
    return jnp.where(lacks < 0.5, jnp.log1p(-lacks), small)
