"""Stage 1: cross-entropy plus any auxiliary losses, one SGD (section 4.1, A.1)."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import optimizer
from gmmal_jax.phases.base import Inputs, Phase
from gmmal_jax.phases.losses import AuxLoss, label_loss
from gmmal_jax.phases.network import Network
from gmmal_jax.types import Key, Metrics, ModelState, Outputs, PyTree, StepBatch


class SupervisedState(NamedTuple):
    """What the supervised phase trains.

    Attributes:
      model: the task network.
      heads: the auxiliary losses' own parameters, by the losses' names.
      optimizer: of (network parameters, heads).
      memories: what the auxiliary losses remember, by their names; None: nothing.
    """

    model: ModelState
    heads: dict[str, PyTree]
    optimizer: PyTree
    memories: dict[str, PyTree]


def init(
    network: Network, losses: Sequence[AuxLoss], config: TrainConfig, key: Key
) -> SupervisedState:
    """Fresh weights; heads draw from `fold_in(key, 2 + position)`.

    Raises:
      ValueError: two losses of one name.
    """
    model = network.init(key)
    heads = {
        loss.name: loss.init(jax.random.fold_in(key, 2 + i))
        for i, loss in enumerate(losses)
    }
    if len(heads) < len(losses):
        raise ValueError(f"two losses are called {[loss.name for loss in losses]}")
    sgd = optimizer.sgd(config)
    memories = {loss.name: loss.memory and loss.memory.init() for loss in losses}
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
    sgd = optimizer.sgd(config)

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        labeled = batch.labeled
        assert labeled is not None
        contexts, model, memories = _contexts(losses, key, state, batch)
        images = network.augmented(jax.random.fold_in(key, 0), labeled)

        def objective(
            trained: tuple[PyTree, dict[str, PyTree]],
        ) -> tuple[jax.Array, tuple[Any, Metrics]]:
            params, heads = trained
            outputs, stats = network.train(
                ModelState(params, model.batch_stats), images, labeled.mask
            )
            terms = {"cross_entropy": label_loss(outputs.logits, batch)}
            total = terms["cross_entropy"]
            for loss in losses:
                name, gated = loss.name, _gate(loss.gate(batch.clock), outputs)
                terms[name] = loss.loss(heads[name], contexts[name], gated, batch)
                total = total + loss.weight * terms[name]
            return total, ((outputs, stats), terms | {"loss": total})

        rate = optimizer.scheduled(batch.clock, config)
        trained = (model.params, state.heads)
        done = optimizer.minimize(sgd, objective, trained, state.optimizer, rate)
        (params, heads), (outputs, stats) = done.params, done.aux
        metrics = done.metrics
        for loss in losses:
            found = loss.measure(
                state.heads[loss.name], contexts[loss.name], model, outputs, batch
            )
            metrics |= {f"{loss.name}/{name}": value for name, value in found.items()}
        state = state._replace(
            model=ModelState(params, stats),
            heads=heads,
            optimizer=done.moments,
            memories=memories,
        )
        return state, metrics

    return Phase(
        name="supervised",
        step=step,
        num_steps=num_steps(config),
        inputs=_inputs(losses, config),
        scan_safe=network.scan_safe,
    )


def _contexts(
    losses: Sequence[AuxLoss], key: Key, state: Any, batch: StepBatch
) -> tuple[dict[str, Any], ModelState, dict[str, PyTree]]:
    """What each loss is told in this step, the model to go on with, the memories."""
    model, contexts, memories = state.model, {}, {}
    for i, loss in enumerate(losses):
        loss_key, memory = jax.random.fold_in(key, 2 + i), state.memories[loss.name]
        context, model, memory = _context(loss, loss_key, model, batch, memory)
        contexts[loss.name] = jax.lax.stop_gradient(context)
        memories[loss.name] = memory
    return contexts, model, memories


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
    return functools.reduce(Inputs.beside, asked)


def _gate(factor: jax.Array, outputs: Outputs) -> Outputs:
    """The same values; only `factor` of the gradient flows back."""

    def gate(leaf: jax.Array) -> jax.Array:
        return factor * leaf + (1 - factor) * jax.lax.stop_gradient(leaf)

    gated: Outputs = jax.tree.map(gate, outputs)
    return gated
