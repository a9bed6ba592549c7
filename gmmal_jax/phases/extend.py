"""Composition: a learner with something trained beside it, or after it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from gmmal_jax.phases.base import Inputs, Learner, Phase, carry_nothing, with_model
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.types import (
    EmbedPool,
    Key,
    Metrics,
    ModelState,
    PoolView,
    PyTree,
    StepBatch,
)


class Extended(NamedTuple):
    """The state of an extended learner.

    Attributes:
      base: the learner's that was extended.
      own: the extension's.
    """

    base: PyTree
    own: PyTree

    @property
    def model(self) -> ModelState:
        """The base's task network."""
        model: ModelState = self.base.model
        return model

    def with_model(self, model: ModelState) -> "Extended":
        """With another task network in the base."""
        return self._replace(base=with_model(self.base, model))

    @property
    def heads(self) -> dict[str, PyTree]:
        """The auxiliary losses' parameters, by the losses' names."""
        heads: dict[str, PyTree] = self.base.heads
        return heads


def with_heads(state: PyTree, heads: dict[str, PyTree]) -> PyTree:
    """A state with other parameters of its auxiliary losses.

    Args:
      state: `Extended`, of a base that has them.
      heads: by the losses' names.
    """
    if isinstance(state, Extended):
        return state._replace(base=with_heads(state.base, heads))
    return state._replace(heads=heads)


class Carried(NamedTuple):
    """What base and extension hand on to the next cycle."""

    base: Any
    own: Any


class Beside(NamedTuple):
    """What an extension does within the steps of the base's phases.

    Attributes:
      step: (key, state, batch) -> (state, metrics), after the base's step, with its
        key and rows: `fold_in(key, 0)` augments the labeled batch as the base did.
        The metrics have names that the base's have not.
      inputs: what it reads, beside what the base reads.
      phases: names of the phases that it goes along with; None: all.
      skips: names of phases that it lets alone.
      frozen: whether it goes along with phases that leave the task network as it is.
      scan_safe: as in `Phase`.
    """

    step: Callable[[Key, Extended, StepBatch], tuple[Extended, Metrics]]
    inputs: Inputs = Inputs()
    phases: frozenset[str] | None = None
    skips: frozenset[str] = frozenset()
    frozen: bool = True
    scan_safe: bool = True


def read_nothing(
    own: PyTree, columns: dict[str, jax.Array], images: jax.Array
) -> dict[str, jax.Array]:
    """The default of `Extension.readout`."""
    return {}


class Extension(NamedTuple):
    """Something trained beside or after a learner: a critic, a committee, a VAE.

    Attributes:
      gives: names of the columns that it adds, or has instead of the base's.
      init: (key, the base's fresh state, what `carry` kept) -> its own state. The base
        draws from fold_in(key, 0), losses from 2 on, a critic from 1: fold in another.
      phases: run after the base's; they see `Extended`.
      beside: runs within the base's.
      losses: go into the base's supervised phase, beside its own.
      readout: (own, the base's columns, uint8 images [b, h, w, ch]) -> columns
        [b, ...] of `gives`, evaluation mode.
      carry: own -> what the next cycle's `init` sees; None: nothing.
      diagnose: (own, view, held-out columns) -> host numbers of the cycle's end, as
        in `Learner`; None: nothing.
      with_losses: (auxiliary losses that the base is given besides) -> this extension,
        whose phases mind them; None: they are none of its business.
    """

    gives: frozenset[str]
    init: Callable[[Key, PyTree, Any], PyTree]
    phases: tuple[Phase, ...] = ()
    beside: Beside | None = None
    losses: tuple[AuxLoss, ...] = ()
    readout: Callable[
        [PyTree, dict[str, jax.Array], jax.Array], dict[str, jax.Array]
    ] = read_nothing
    carry: Callable[[PyTree], Any] = carry_nothing
    diagnose: Callable[[PyTree, PoolView, dict[str, Any]], dict[str, float]] | None = (
        None
    )
    with_losses: "Callable[[Sequence[AuxLoss]], Extension] | None" = None


def extend(learner: Learner, extension: Extension) -> Learner:
    """The learner, unchanged but for losses, and the extension; they may be stacked.

    Raises:
      ValueError: `beside` names a phase that the learner has not, or the learner takes
        no losses.
    """
    if extension.losses:
        if learner.with_losses is None:
            raise ValueError("the learner takes no auxiliary losses")
        learner = learner.with_losses(extension.losses)
        extension = extension._replace(losses=())
    beside = extension.beside
    known = {phase.name for phase in learner.phases}
    if beside and beside.phases is not None and not beside.phases <= known:
        raise ValueError(f"{sorted(beside.phases - known)}: no phases of the learner")

    def init(key: Key, previous: Carried | None) -> Extended:
        before = previous or Carried(None, None)
        base = learner.init(key, before.base)
        return Extended(base, extension.init(key, base, before.own))

    def readout(state: Extended, images: jax.Array) -> dict[str, jax.Array]:
        columns = learner.readout(state.base, images)
        return columns | extension.readout(state.own, columns, images)

    phases = (focus(phase, _base, _with_base) for phase in learner.phases)
    return Learner(
        gives=learner.gives | extension.gives,
        init=init,
        phases=(*(_along(phase, beside) for phase in phases), *extension.phases),
        readout=readout,
        carry=_carry(learner, extension),
        diagnose=_diagnose(learner, extension),
        head=_head(learner, extension),
        with_losses=_with_losses(learner, extension),
    )


def focus(
    phase: Phase,
    get: Callable[[PyTree], PyTree],
    put: Callable[[PyTree, PyTree], PyTree],
) -> Phase:
    """A phase that trains a part of a state.

    Args:
      phase: knows the part only.
      get: state -> part.
      put: (state, part) -> state, such that get(put(state, part)) is the part.
    """

    def step(key: Key, state: PyTree, batch: StepBatch) -> tuple[PyTree, Metrics]:
        part, metrics = phase.step(key, get(state), batch)
        return put(state, part), metrics

    def refresh(key: Key, state: PyTree, embed_pool: EmbedPool, step: int) -> PyTree:
        assert phase.refresh is not None

        def embed_part(part: PyTree) -> PoolView:
            return embed_pool(put(state, part))

        return put(state, phase.refresh(key, get(state), embed_part, step))

    return phase._replace(step=step, refresh=phase.refresh and refresh)


def _base(state: Extended) -> PyTree:
    return state.base


def _with_base(state: Extended, base: PyTree) -> Extended:
    return state._replace(base=base)


def _along(phase: Phase, beside: Beside | None) -> Phase:
    """The base's phase with what goes along with it."""
    if beside is None or not _goes_along(beside, phase):
        return phase

    def step(key: Key, state: Extended, batch: StepBatch) -> tuple[Extended, Metrics]:
        state, metrics = phase.step(key, state, batch)
        state, more = beside.step(key, state, batch)
        if metrics.keys() & more.keys():
            raise ValueError(f"{sorted(more)}: metrics of the base's names")
        return state, metrics | more

    return phase._replace(
        step=step,
        inputs=phase.inputs.beside(beside.inputs),
        scan_safe=phase.scan_safe and beside.scan_safe,
    )


def _goes_along(beside: Beside, phase: Phase) -> bool:
    if phase.frozen and not beside.frozen:
        return False
    known = {phase.name} if beside.phases is None else beside.phases
    return phase.name in known - beside.skips


def _carry(learner: Learner, extension: Extension) -> Callable[[Extended], Any]:
    if learner.carry is extension.carry is carry_nothing:
        return carry_nothing
    return lambda state: Carried(learner.carry(state.base), extension.carry(state.own))


def _with_losses(learner: Learner, extension: Extension) -> Any:
    more, minds = learner.with_losses, extension.with_losses

    def run(losses: Sequence[AuxLoss]) -> Learner:
        assert more is not None
        return extend(more(losses), minds(losses) if minds else extension)

    return more and run


def _head(learner: Learner, extension: Extension) -> Any:
    """The base's, unless its latents or logits are no longer those of the readout."""
    head = learner.head
    if head is None or extension.gives & {"latents", "logits"}:
        return None
    return lambda state: head(state.base)


def _diagnose(learner: Learner, extension: Extension) -> Any:
    if learner.diagnose is extension.diagnose is None:
        return None

    def run(
        state: Extended, view: PoolView, held_out: dict[str, Any]
    ) -> dict[str, float]:
        found: dict[str, float] = {}
        if learner.diagnose is not None:
            found |= learner.diagnose(state.base, view, held_out)
        if extension.diagnose is not None:
            found |= extension.diagnose(state.own, view, held_out)
        return found

    return run
