"""The interface of learners: records of pure functions, no base classes."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.errors import UserError
from gmmal_jax.types import (
    EmbedPool,
    Key,
    Metrics,
    ModelState,
    PoolView,
    PyTree,
    StepBatch,
    struct,
)

if TYPE_CHECKING:
    from gmmal_jax.phases.losses import AuxLoss


class Inputs(NamedTuple):
    """Rows of the global batch that a step reads of each set; 0: not read.

    Attributes:
      labeled: of the labeled set.
      unlabeled: of the unlabeled pool.
      subset: of a class-balanced subset of the labeled set.
      candidates: the unlabeled ones are this cycle's candidates only.
    """

    labeled: int = 0
    unlabeled: int = 0
    subset: int = 0
    candidates: bool = False

    @property
    def rows(self) -> int:
        """Images of a step."""
        return self.labeled + self.unlabeled + self.subset

    def beside(self, other: "Inputs") -> "Inputs":
        """What two that share a step read: of each set as much as either."""
        return Inputs(
            max(self.labeled, other.labeled),
            max(self.unlabeled, other.unlabeled),
            max(self.subset, other.subset),
            self.candidates or other.candidates,
        )


class Phase(NamedTuple):
    """One stage of training within a cycle.

    Attributes:
      name: for messages and diagnostics.
      step: (key, state, batch) -> (state, metrics); pure, runs on one device's share
        and reduces over `types.AXIS`; metrics are scalars equal on all devices and
        include "loss".
      num_steps: (labeled rows, unlabeled rows that it may read) -> steps; rounded up
        to whole chunks.
      inputs: what the step reads.
      refresh: (key, state, embed_pool, steps done) -> state, a host function that runs
        before the first step, every `refresh_every` steps and after the last one
        (mixtures are refitted there); None: nothing.
      refresh_every: steps, a multiple of the chunk; 0: only at both ends.
      refresh_once: what a refresh reads does not change in this phase: it runs before
        the first step only, whatever `refresh_every` says.
      scan_safe: see `parallel.compile_step`.
      frozen: the task network stays as it is: a critic or a VAE learns beside it.
    """

    name: str
    step: Callable[[Key, PyTree, StepBatch], tuple[PyTree, Metrics]]
    num_steps: Callable[[int, int], int]
    inputs: Inputs
    refresh: Callable[[Key, PyTree, EmbedPool, int], PyTree] | None = None
    refresh_every: int = 0
    refresh_once: bool = False
    scan_safe: bool = True
    frozen: bool = False


def carry_nothing(state: PyTree) -> None:
    """The default of `Learner.carry`: every cycle starts anew (section 3.1)."""
    return None


class Learner(NamedTuple):
    """How the networks are trained in a cycle, and what can be read of them then.

    Attributes:
      gives: names of the readout's columns, `logits` and `latents` among them.
      init: (key, previous) -> state; jitted by the caller. `previous` is what `carry`
        kept of the last cycle, None in the first. The task network's weights come
        from `fold_in(key, 0)` in every learner, so all methods start alike.
      phases: in order.
      readout: (state, images [b, ...] as they are stored) -> columns [b, ...],
        evaluation mode; row i depends on image i only. `logits` are [b, c], `latents`
        [b, d].
      carry: state -> what the next cycle's `init` sees; None: nothing.
      diagnose: (state, view, held-out columns) -> host numbers of the cycle's end;
        the held-out columns are the readout of the evaluation part. None: nothing.
      head: state -> (kernel [d, c], bias [c]) of the linear classifier on the column
        `latents`, for strategies that look through it; None: there is none.
      with_losses: (auxiliary losses) -> this learner with those beside its own in its
        supervised phase, in a state that has `heads` as `SupervisedState` has; None:
        it takes no more.

    The state is any pytree with a field or property `model: ModelState`; nobody else
    reads more of it (see `with_model` for who puts another network there).
    """

    gives: frozenset[str]
    init: Callable[[Key, Any], PyTree]
    phases: tuple[Phase, ...]
    readout: Callable[[PyTree, jax.Array], dict[str, jax.Array]]
    carry: Callable[[PyTree], Any] = carry_nothing
    diagnose: Callable[[PyTree, PoolView, dict[str, Any]], dict[str, float]] | None = (
        None
    )
    head: Callable[[PyTree], tuple[jax.Array, jax.Array]] | None = None
    with_losses: "Callable[[Sequence[AuxLoss]], Learner] | None" = None


def with_model(state: PyTree, model: ModelState) -> PyTree:
    """A learner's state with another task network; the rest of it stays as it is.

    Args:
      state: a NamedTuple with the field `model`, or anything with a method
        `with_model(model) -> state`.
      model: of the same form as the state's.

    Raises:
      UserError: the state is neither.
    """
    own = getattr(state, "with_model", None)
    if own is not None:
        return own(model)
    if "model" in getattr(state, "_fields", ()):
        return state._replace(model=model)
    remedy = "give it a method with_model(model), or be a NamedTuple with that field"
    raise UserError("state that takes no network", type(state).__name__, remedy)


class Promised(NamedTuple):
    """Shapes of what a learner hands on, for two images.

    Attributes:
      columns: of its readout.
      head: (kernel, bias) of its classifier, where it has one.
    """

    columns: dict[str, jax.ShapeDtypeStruct]
    head: tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct] | None


_EVERYONES = {
    "logits": "logits [b, c], too: accuracy is measured on them",
    "latents": "latents [b, d], too: queries and a run's map are made of them",
}
"""Columns of every learner, and what for."""


def check_learner(
    learner: Learner, image_shape: tuple[int, ...], dtype: Any = jnp.uint8
) -> Promised:
    """Refuse a learner that does not keep its promises; shapes only, nothing runs.

    Args:
      learner: anybody's.
      image_shape: (h, w, ch) of the images it is to read, (d,) of features.
      dtype: of these as they are stored.

    Raises:
      UserError: columns that `gives` and the readout disagree about, or that have not
        a row for each image; no logits or latents, or not of a row of numbers each; a
        state without `model`; two phases of one name; a head that does not lead from
        latents to logits.
    """
    names, rows = [phase.name for phase in learner.phases], 2
    if len(set(names)) < max(len(names), 1):
        raise UserError("Learner.phases", names, "name one or more, each differently")
    state = jax.eval_shape(lambda: learner.init(jax.random.key(0), None))
    if not hasattr(state, "model"):
        remedy = "give it a field or property model, the task network's ModelState"
        raise UserError("state of Learner.init", type(state).__name__, remedy)
    images = struct((rows, *image_shape), dtype)
    columns = jax.eval_shape(learner.readout, state, images)
    if learner.gives != columns.keys():
        remedy = f"its readout returns {', '.join(sorted(columns))}: name the same"
        raise UserError("Learner.gives", sorted(learner.gives), remedy)
    for name, use in _EVERYONES.items():
        if name not in columns:
            raise UserError("Learner.readout", sorted(columns), f"return {use}")
        if len(columns[name].shape) != 2:
            shape = columns[name].shape
            raise UserError(f"column {name} has shape", shape, f"return {use}")
    for name, column in columns.items():
        if column.shape[:1] != (rows,):
            remedy = f"return a row for each image: {rows} here"
            raise UserError(f"column {name} has shape", column.shape, remedy)
    head = learner.head and jax.eval_shape(learner.head, state)
    if head is not None:
        ends = columns["latents"].shape[1:] + columns["logits"].shape[1:]
        if [part.shape for part in head] != [ends, ends[1:]]:
            remedy = f"return (kernel {ends}, bias {ends[1:]})"
            raise UserError("Learner.head", [part.shape for part in head], remedy)
    return Promised(columns, head)
