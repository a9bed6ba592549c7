"""Losses beside cross-entropy: what one is, and what it may remember."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.phases.base import Inputs
from gmmal_jax.phases.network import cross_entropy, global_mean
from gmmal_jax.types import Clock, Key, Metrics, ModelState, Outputs, PyTree, StepBatch


def label_loss(logits: jax.Array, batch: StepBatch) -> jax.Array:
    """This device's share of the mean cross-entropy of the labeled batch, in nats."""
    labeled = batch.labeled
    assert labeled is not None
    return global_mean(cross_entropy(logits, labeled.labels), labeled.mask)


def no_parameters(key: Key) -> None:
    """The default of `AuxLoss.init`."""
    return None


def no_context(
    key: Key, model: ModelState, batch: StepBatch
) -> tuple[None, ModelState]:
    """The default of `AuxLoss.context`."""
    return None, model


def full_gradient(clock: Clock) -> jax.Array:
    """The default of `AuxLoss.gate`: the network feels the loss throughout."""
    return jnp.ones(())


def measure_nothing(
    parameters: PyTree,
    context: Any,
    model: ModelState,
    outputs: Outputs,
    batch: StepBatch,
) -> Metrics:
    """The default of `AuxLoss.measure`."""
    return {}


def no_columns(parameters: PyTree, outputs: Outputs) -> dict[str, jax.Array]:
    """The default of `AuxLoss.columns`."""
    return {}


class Memory(NamedTuple):
    """How an auxiliary loss's contexts outlast their step, in the training state.

    Attributes:
      init: () -> what the state holds before the first step; float32 arrays.
      update: (memory, what `AuxLoss.context` returned) -> memory.
      read: memory -> the context that the loss sees.
      every: steps from one `AuxLoss.context` to the next, in steps of the phase that
        it divides, so that a resumed phase goes on alike; the others only read.
    """

    init: Callable[[], PyTree]
    update: Callable[[PyTree, Any], PyTree]
    read: Callable[[PyTree], Any]
    every: int = 1


class AuxLoss(NamedTuple):
    """A loss beside cross-entropy in the supervised phase.

    The factory of a loss is given the network: it knows the latents' size and the
    maps' shapes when it makes a head.

    Attributes:
      name: prefix of its metrics, and where the state keeps its head and memory.
      weight: its factor in the objective.
      loss: (parameters, context, outputs, batch) -> this device's share of the mean
        over the global labeled batch. Rows of other devices (pairs, contrasts) come
        from `network.all_rows`, whose gradient finds its way back.
      init: key -> parameters of its own (a loss head), trained by the network's
        optimizer; None: none.
      context: (key, model, batch) -> (anything the loss needs, model with the
        running averages that the phase goes on with); outside the gradient. Nothing
        else of the model may change.
      gate: clock -> factor in [0, 1] of the gradient that reaches the network; the
        loss's own parameters always feel all of it.
      inputs: what it reads beside the labeled batch.
      measure: (parameters, context, model, outputs, batch), all as they were before
        the step -> scalars to log, equal on all devices.
      memory: None: every step has the context it computed, and no other.
      gives: names of the columns that its parameters add to the readout.
      columns: (parameters, outputs in evaluation mode) -> those columns, [b, ...].
      aligned: it is also a part of the network's objective in stage 2, where there is
        one, without a gate; it has neither context nor memory then.
    """

    name: str
    weight: float
    loss: Callable[[PyTree, Any, Outputs, StepBatch], jax.Array]
    init: Callable[[Key], PyTree] = no_parameters
    context: Callable[[Key, ModelState, StepBatch], tuple[Any, ModelState]] = no_context
    gate: Callable[[Clock], jax.Array] = full_gradient
    inputs: Inputs = Inputs()
    measure: Callable[[PyTree, Any, ModelState, Outputs, StepBatch], Metrics] = (
        measure_nothing
    )
    memory: Memory | None = None
    gives: frozenset[str] = frozenset()
    columns: Callable[[PyTree, Outputs], dict[str, jax.Array]] = no_columns
    aligned: bool = False
