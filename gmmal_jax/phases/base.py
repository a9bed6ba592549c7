"""The interface of learners: records of pure functions, no base classes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.types import (
    Clock,
    EmbedPool,
    Key,
    Metrics,
    ModelState,
    Outputs,
    PoolView,
    PyTree,
    StepBatch,
)


class Inputs(NamedTuple):
    """Rows of the global batch that a step reads of each set; 0: not read."""

    labeled: int = 0
    unlabeled: int = 0
    subset: int = 0


class Phase(NamedTuple):
    """One stage of training within a cycle.

    Attributes:
      name: for messages and diagnostics.
      step: (key, state, batch) -> (state, metrics); pure, runs on one device's share
        and reduces over `types.AXIS`; metrics are scalars equal on all devices and
        include "loss".
      num_steps: number of labeled rows -> steps; rounded up to whole chunks.
      inputs: what the step reads.
      refresh: (key, state, embed_pool) -> state, a host function that runs before the
        first step, every `refresh_every` steps and after the last one (mixtures are
        refitted there); None: nothing.
      refresh_every: steps, a multiple of the chunk; 0: only at both ends.
      scan_safe: see `parallel.compile_step`.
    """

    name: str
    step: Callable[[Key, PyTree, StepBatch], tuple[PyTree, Metrics]]
    num_steps: Callable[[int], int]
    inputs: Inputs
    refresh: Callable[[Key, PyTree, EmbedPool], PyTree] | None = None
    refresh_every: int = 0
    scan_safe: bool = True


def carry_nothing(state: PyTree) -> None:
    """The default of `Learner.carry`: every cycle starts anew (section 3.1)."""
    return None


def diagnose_nothing(
    state: PyTree, view: PoolView, held_out: dict[str, np.ndarray]
) -> dict[str, float]:
    """The default of `Learner.diagnose`."""
    return {}


class Learner(NamedTuple):
    """How the networks are trained in a cycle, and what can be read of them then.

    Attributes:
      gives: names of the readout's columns.
      init: (key, previous) -> state; jitted by the caller. `previous` is what `carry`
        kept of the last cycle, None in the first. The task network's weights come
        from `fold_in(key, 0)` in every learner, so all methods start alike.
      phases: in order.
      readout: (state, uint8 images [b, h, w, ch]) -> columns [b, ...], evaluation
        mode; row i depends on image i only.
      carry: state -> what the next cycle's `init` sees; None: nothing.
      diagnose: (state, view, held-out columns) -> host numbers of the cycle's end;
        the held-out columns are the readout of the evaluation part.

    The state is any pytree with a field or property `model: ModelState`; nobody else
    reads more of it.
    """

    gives: frozenset[str]
    init: Callable[[Key, Any], PyTree]
    phases: tuple[Phase, ...]
    readout: Callable[[PyTree, jax.Array], dict[str, jax.Array]]
    carry: Callable[[PyTree], Any] = carry_nothing
    diagnose: Callable[[PyTree, PoolView, dict[str, np.ndarray]], dict[str, float]] = (
        diagnose_nothing
    )


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


def measure_nothing(context: Any, outputs: Outputs, batch: StepBatch) -> Metrics:
    """The default of `AuxLoss.measure`."""
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

    Attributes:
      name: prefix of its metrics.
      weight: its factor in the objective.
      loss: (parameters, context, outputs, batch) -> this device's share of the mean
        over the global labeled batch.
      init: key -> parameters of its own (a loss head), trained by the network's
        optimizer; None: none.
      context: (key, model, batch) -> (anything the loss needs, model with the
        running averages that the phase goes on with); outside the gradient. Nothing
        else of the model may change.
      gate: clock -> factor in [0, 1] of the gradient that reaches the network; the
        loss's own parameters always feel all of it.
      inputs: what it reads beside the labeled batch.
      measure: (context, outputs, batch) -> scalars to log, equal on all devices.
      memory: None: every step has the context it computed, and no other.
    """

    name: str
    weight: float
    loss: Callable[[PyTree, Any, Outputs, StepBatch], jax.Array]
    init: Callable[[Key], PyTree] = no_parameters
    context: Callable[[Key, ModelState, StepBatch], tuple[Any, ModelState]] = no_context
    gate: Callable[[Clock], jax.Array] = full_gradient
    inputs: Inputs = Inputs()
    measure: Callable[[Any, Outputs, StepBatch], Metrics] = measure_nothing
    memory: Memory | None = None
