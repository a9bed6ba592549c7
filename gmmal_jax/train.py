"""Phases -> compiled chunks: refreshes, the finite-loss check.

No files, clocks or printing: what happens between chunks is the caller's `on_chunk`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gmmal_jax import parallel, planning
from gmmal_jax.embed import Embedder
from gmmal_jax.errors import TrainingDiverged, UserError
from gmmal_jax.memory import Room
from gmmal_jax.phases.base import Learner, Phase
from gmmal_jax.types import EmbedPool, Key, PyTree


class Position(NamedTuple):
    """Where training stands: the next step of a phase.

    Attributes:
      phase: index; the number of phases when all are done.
      step: steps of the phase that are done.
    """

    phase: int = 0
    step: int = 0


class Chunk(NamedTuple):
    """What was just done, for whoever watches: host numbers only.

    Attributes:
      phase: index of the phase that ran.
      name: of that phase.
      step: steps of it done.
      num_steps: its length.
      images: images put through the network in this chunk.
      metrics: name -> mean over the phase's last chunk.
    """

    phase: int
    name: str
    step: int
    num_steps: int
    images: int
    metrics: dict[str, float]


class Standing(NamedTuple):
    """Where training stands between two chunks: what a checkpoint keeps of it.

    Attributes:
      state: the learner's; alive until `on_chunk` returns, and donated to `run`.
      position: where training goes on.
      metrics: phase name -> mean of each metric over the phase's last chunk.
      chunk: what led here; None before the first chunk, and from a checkpoint.
    """

    state: PyTree
    position: Position = Position()
    metrics: dict[str, dict[str, float]] = {}
    chunk: Chunk | None = None


OnChunk = Callable[[Standing], None]


class Looks(NamedTuple):
    """The pool as refreshes see it.

    Attributes:
      early: the labeled rows, and perhaps only some of the others.
      last: all rows, for the last refresh of a cycle.
    """

    early: EmbedPool
    last: EmbedPool


class Trainer(NamedTuple):
    """A learner bound to devices and compiled steps; lives as long as a run.

    Attributes:
      learner: the recipe.
      mesh: devices.
      steps: one compiled step a phase.
      init: jitted `learner.init`, replicated.
      embed: compiled readouts.
      chunk_steps: steps a dispatch.
      num_classes: c.
    """

    learner: Learner
    mesh: Mesh
    steps: tuple[parallel.CompiledStep, ...]
    init: Callable[..., PyTree]
    embed: Embedder
    chunk_steps: int
    num_classes: int

    @property
    def chunk_form(self) -> planning.ChunkForm:
        """How its chunks are cut."""
        return planning.ChunkForm(self.mesh, self.chunk_steps, self.num_classes)


def make_trainer(
    learner: Learner,
    mesh: Mesh,
    chunk_steps: int,
    num_classes: int,
    room: Room | None = None,
) -> Trainer:
    """Bind a learner; nothing is compiled before it runs.

    Args:
      learner: the recipe.
      mesh: devices.
      chunk_steps: steps a dispatch.
      num_classes: c.
      room: see `embed.Embedder`.

    Raises:
      ValueError: a phase wants to refresh within a chunk.
    """
    for phase in learner.phases:
        if phase.refresh_every % chunk_steps:
            raise ValueError(
                f"{phase.name}: refresh_every {phase.refresh_every} is no multiple of "
                f"chunk_steps {chunk_steps}"
            )
    steps = tuple(
        parallel.compile_step(mesh, phase.step, phase.scan_safe)
        for phase in learner.phases
    )

    def init(key: Key, previous: Any) -> PyTree:
        # A weakly typed leaf would turn strong in the first refresh or checkpoint,
        # and every program that reads it would compile again.
        state = learner.init(key, previous)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, leaf.dtype), state)

    return Trainer(
        learner=learner,
        mesh=mesh,
        steps=steps,
        init=jax.jit(init, out_shardings=parallel.replicated(mesh)),
        embed=Embedder(mesh, room),
        chunk_steps=chunk_steps,
        num_classes=num_classes,
    )


def length(phase: Phase, counts: tuple[int, int], chunk_steps: int) -> int:
    """Steps of a phase with so many labeled and unlabeled rows: whole chunks."""
    return -(-phase.num_steps(*counts) // chunk_steps) * chunk_steps


def run(
    trainer: Trainer,
    seed: int,
    cycle: int,
    data: planning.Data,
    standing: Standing,
    looks: Looks,
    on_chunk: OnChunk,
) -> Standing:
    """Train through all phases from where training stands.

    Args:
      trainer: from `make_trainer`.
      seed: of the run's streams.
      cycle: likewise.
      data: what the steps read.
      standing: a new state, or what a checkpoint kept; its state is donated.
      looks: for refreshes.
      on_chunk: called after each chunk and at each phase's end; may raise to stop.

    Returns:
      Where training stands when all phases are done.

    Raises:
      TrainingDiverged: a loss that is not finite.
      UserError: a phase whose metrics have no loss.
    """
    for index in range(standing.position.phase, len(trainer.learner.phases)):
        address = planning.Address(seed, cycle, index)
        standing = _run_phase(trainer, address, data, standing, looks, on_chunk)
    return standing


def _run_phase(
    trainer: Trainer,
    address: planning.Address,
    data: planning.Data,
    standing: Standing,
    looks: Looks,
    on_chunk: OnChunk,
) -> Standing:
    phase, chunk = trainer.learner.phases[address.phase], trainer.chunk_steps
    num_steps = length(phase, data.counts(phase.inputs.candidates), chunk)
    key, first = address.key("augmentation"), standing.position.step
    state, metrics = standing.state, dict(standing.metrics)

    later = trainer.learner.phases[address.phase + 1 :]

    def refresh(step: int, state: PyTree) -> PyTree:
        if phase.refresh is None:
            return state
        ends = phase.refresh_once or step == num_steps
        last = ends and not any(other.refresh for other in later)
        look = looks.last if last else looks.early
        fresh = phase.refresh(address.key("refresh", step), state, look, step)
        fresh = parallel.hosts.changed_by_lead(state, fresh)
        return parallel.place_state(trainer.mesh, fresh)

    def reached(position: Position, step: int, state: PyTree) -> Standing:
        images, measured = chunk * phase.inputs.rows, metrics.get(phase.name, {})
        did = Chunk(address.phase, phase.name, step, num_steps, images, measured)
        standing = Standing(state, position, dict(metrics), did)
        on_chunk(standing)
        return standing

    every = 0 if phase.refresh_once else phase.refresh_every
    plan = planning.Plan(trainer.chunk_form, phase, address, data, num_steps)
    planned = plan(first)
    for step in range(first, num_steps, chunk):
        if step == 0 or (every and step % every == 0):
            state = refresh(step, state)
        state, measured = parallel.run_chunk(
            trainer.steps[address.phase], key, state, planned
        )
        done = step + chunk
        if done < num_steps:
            # Planned while the devices are busy with the chunk just dispatched.
            planned = plan(done)
        metrics[phase.name] = _checked(measured, address.cycle, phase.name, step)
        if done < num_steps:
            reached(Position(address.phase, done), done, state)
    if not (phase.refresh_once and num_steps):
        state = refresh(num_steps, state)
    return reached(Position(address.phase + 1, 0), num_steps, state)


def _checked(
    measured: dict[str, jax.Array], cycle: int, name: str, step: int
) -> dict[str, float]:
    host = jax.device_get(measured)
    if "loss" not in host:
        remedy = "its step must return a metric loss: training stops where it diverges"
        raise UserError(f"metrics of phase {name}", sorted(host), remedy)
    bad = np.flatnonzero(~np.isfinite(host["loss"]))
    if len(bad):
        raise TrainingDiverged(cycle, name, step + int(bad[0]))
    return {k: float(np.mean(v, dtype=np.float64)) for k, v in host.items()}
