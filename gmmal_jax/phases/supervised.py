"""Stage 1: cross-entropy plus any auxiliary losses, one SGD (section 4.1, A.1)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax import devices, numerics
from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network, cross_entropy, global_mean
from gmmal_jax.types import AXIS, Key, Metrics, ModelState, Outputs, PyTree, StepBatch


class SupervisedState(NamedTuple):
    """What the supervised phase trains.

    Attributes:
      model: the task network.
      heads: the auxiliary losses' own parameters, one entry a loss.
      optimizer: of (network parameters, heads).
      memories: what the auxiliary losses remember, one entry a loss; None: nothing.
    """

    model: ModelState
    heads: tuple[PyTree, ...]
    optimizer: PyTree
    memories: tuple[PyTree, ...]


def init(
    network: Network, losses: Sequence[AuxLoss], config: TrainConfig, key: Key
) -> SupervisedState:
    """Fresh weights; heads draw from `fold_in(key, 2 + position)`."""
    model = network.init(key)
    heads = tuple(
        loss.init(jax.random.fold_in(key, 2 + i)) for i, loss in enumerate(losses)
    )
    sgd = optimizer.sgd(config.momentum, config.weight_decay)
    memories = tuple(loss.memory and loss.memory.init() for loss in losses)
    return SupervisedState(model, heads, sgd.init((model.params, heads)), memories)


def num_steps(config: TrainConfig) -> Callable[[int, int], int]:
    """(labeled, unlabeled rows) -> steps: given, or epochs of whole batches."""

    def count(num_labeled: int, num_unlabeled: int) -> int:
        if config.steps is not None:
            return config.steps
        return config.epochs * -(-num_labeled // config.batch_size)

    return count


def make_phase(
    network: Network, losses: Sequence[AuxLoss], config: TrainConfig
) -> Phase:
    """The supervised phase for any state with `SupervisedState`'s fields."""
    sgd = optimizer.sgd(config.momentum, config.weight_decay)

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled = batch.labeled
        assert labeled is not None
        model, contexts, memories = state.model, [], []
        for i, loss in enumerate(losses):
            loss_key = jax.random.fold_in(key, 2 + i)
            context, model, memory = _context(
                loss, loss_key, model, batch, state.memories[i]
            )
            contexts.append(jax.lax.stop_gradient(context))
            memories.append(memory)
        images = network.augmented(jax.random.fold_in(key, 0), labeled)

        def objective(trained: tuple) -> tuple[jax.Array, tuple]:
            params, heads = trained
            outputs, stats = network.train(
                ModelState(params, model.batch_stats), images, labeled.mask
            )
            terms = {"cross_entropy": _cross_entropy(outputs, batch)}
            total = terms["cross_entropy"]
            for loss, head, context in zip(losses, heads, contexts, strict=True):
                gated = _gate(loss.gate(batch.clock), outputs)
                terms[loss.name] = loss.loss(head, context, gated, batch)
                total = total + loss.weight * terms[loss.name]
            return total, ((outputs, stats), terms | {"loss": total})

        rate = optimizer.scheduled(batch.clock, config)
        trained = (model.params, state.heads)
        done = optimizer.minimize(sgd, objective, trained, state.optimizer, rate)
        (params, heads), (outputs, stats) = done.params, done.aux
        metrics = done.metrics
        for loss, head, context in zip(losses, state.heads, contexts, strict=True):
            ratio = _gradient_ratio(loss, head, context, network, model, outputs, batch)
            metrics[f"{loss.name}/gradient_ratio"] = ratio
            for name, value in loss.measure(context, outputs, batch).items():
                metrics[f"{loss.name}/{name}"] = value
        state = state._replace(
            model=ModelState(params, stats),
            heads=heads,
            optimizer=done.moments,
            memories=tuple(memories),
        )
        return state, metrics

    return Phase("supervised", step, num_steps(config), _inputs(losses, config))


def _context(
    loss: AuxLoss, key: Key, model: ModelState, batch: StepBatch, memory: PyTree
) -> tuple[Any, ModelState, PyTree]:
    """The loss's context of this step, the model to go on with, the new memory."""
    kept = loss.memory
    if kept is None:
        return *loss.context(key, model, batch), None

    def renew(memory: PyTree, stats: PyTree) -> tuple[PyTree, PyTree]:
        fresh, after = loss.context(key, model._replace(batch_stats=stats), batch)
        return kept.update(memory, fresh), after.batch_stats

    # All devices agree on the clock, so all meet in the sums within `renew` or none.
    due = batch.clock.step % kept.every == 0
    memory, stats = jax.lax.cond(
        due, renew, lambda *same: same, memory, model.batch_stats
    )
    return kept.read(memory), model._replace(batch_stats=stats), memory


def _inputs(losses: Sequence[AuxLoss], config: TrainConfig) -> Inputs:
    asked = [Inputs(labeled=config.batch_size), *(loss.inputs for loss in losses)]
    return Inputs(*(max(sizes) for sizes in zip(*asked, strict=True)))


def _cross_entropy(outputs: Outputs, batch: StepBatch) -> jax.Array:
    labeled = batch.labeled
    assert labeled is not None
    return global_mean(cross_entropy(outputs.logits, labeled.labels), labeled.mask)


def _gate(factor: jax.Array, outputs: Outputs) -> Outputs:
    """The same values; only `factor` of the gradient flows back."""

    def gate(leaf: jax.Array) -> jax.Array:
        return factor * leaf + (1 - factor) * jax.lax.stop_gradient(leaf)

    return jax.tree.map(gate, outputs)


def _gradient_ratio(
    loss: AuxLoss,
    head: PyTree,
    context: Any,
    network: Network,
    model: ModelState,
    outputs: Outputs,
    batch: StepBatch,
) -> jax.Array:
    """Weight * |d loss / d latents| / |d cross-entropy / d latents| on the batch."""
    kernel, bias = network.head(model)

    def classify(latents: jax.Array) -> jax.Array:
        logits = numerics.matmul(latents, kernel) + bias[None, :]
        return _cross_entropy(outputs._replace(logits=logits), batch)

    def penalize(latents: jax.Array) -> jax.Array:
        return loss.loss(head, context, outputs._replace(latents=latents), batch)

    pulls = [jax.grad(f)(outputs.latents) for f in (penalize, classify)]
    ours, theirs = (
        jnp.sqrt(devices.total(jnp.sum(jnp.square(pull)), AXIS)) for pull in pulls
    )
    return loss.weight * ours / jnp.maximum(theirs, 1e-30)
