"""Phases -> compiled chunks: planning, refreshes, the finite-loss check.

No files, clocks or printing: what happens between chunks is the caller's `on_chunk`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gmmal_jax import keys, parallel
from gmmal_jax.data import batches
from gmmal_jax.data.store import Images
from gmmal_jax.embed import Embedder
from gmmal_jax.errors import TrainingDiverged, UserError
from gmmal_jax.memory import Room
from gmmal_jax.phases.base import Learner, Phase
from gmmal_jax.pool import Pool
from gmmal_jax.types import Batch, Clock, EmbedPool, Key, PyTree, StepBatch


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


class Data(NamedTuple):
    """What the steps of a cycle read.

    Attributes:
      images: of the pool, n rows, placed.
      pool: what is labeled.
      candidates: bool [n], rows that may be asked this cycle; None: all unlabeled.
    """

    images: Images
    pool: Pool
    candidates: np.ndarray | None = None

    def unlabeled(self, candidates: bool) -> np.ndarray:
        """Bool [n]: what is read without labels, the whole pool or the candidates."""
        if candidates and self.candidates is not None:
            return self.candidates
        return ~self.pool.labeled

    def counts(self, candidates: bool) -> tuple[int, int]:
        """Labeled rows, and unlabeled ones (see `unlabeled`)."""
        return int(self.pool.labeled.sum()), int(self.unlabeled(candidates).sum())


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
    data: Data,
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
        address = _Address(seed, cycle, index)
        standing = _run_phase(trainer, address, data, standing, looks, on_chunk)
    return standing


class _Address(NamedTuple):
    seed: int
    cycle: int
    phase: int

    def key(self, use: str, *more: int) -> Key:
        return keys.key(self.seed, *self._stream(use), *more)

    def rng(self, use: str, *more: int) -> np.random.Generator:
        return keys.rng(self.seed, *self._stream(use), *more)

    def _stream(self, use: str) -> tuple[str, *tuple[int, ...]]:
        if self.phase == 0 and use != "refresh":
            return (use, self.cycle)
        kind = ("order", "augmentation", "refresh").index(use)
        return ("stage2", self.cycle, self.phase, kind)


def _run_phase(
    trainer: Trainer,
    address: _Address,
    data: Data,
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
    plan = _Plan(trainer, phase, address, data, num_steps)
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


class _Plan:
    """The inputs of a phase's chunks."""

    def __init__(
        self,
        trainer: Trainer,
        phase: Phase,
        address: _Address,
        data: Data,
        num_steps: int,
    ) -> None:
        self.trainer, self.inputs, self.address = trainer, phase.inputs, address
        self.data, self.num_steps = data, num_steps
        self.counts = data.counts(phase.inputs.candidates)
        unlabeled = data.unlabeled(phase.inputs.candidates)
        self.labeled = self._epochs(data.pool.labeled, 0)
        self.unlabeled = self._epochs(unlabeled, 1)

    def _epochs(self, mask: np.ndarray, place: int) -> batches.Epochs:
        return batches.Epochs(
            np.flatnonzero(mask),
            lambda epoch: self.address.rng("order", place, epoch),
        )

    def __call__(self, first: int) -> StepBatch:
        """Of the chunk that starts at a step: leaves [t, devices, ...]."""
        sizes = self.inputs.labeled, self.inputs.unlabeled
        passes = zip(self.counts, sizes, strict=True)
        epoch_steps = [-(-count // size) for count, size in passes if size]
        return StepBatch(
            clock=_clock(self.trainer, first, self.num_steps, (epoch_steps or [1])[0]),
            labeled=self._batch(self.labeled, first, sizes[0]),
            unlabeled=self._batch(self.unlabeled, first, sizes[1]),
            subset=self._subset(first),
            counts=_counts(self.trainer, self.counts),
        )

    def _batch(self, epochs: batches.Epochs, first: int, size: int) -> Batch | None:
        if not size:
            return None
        rows = epochs.rows(first, self.trainer.chunk_steps, size)
        return _batch(self.trainer, self.data, rows, np.ones(rows.shape, bool))

    def _subset(self, first: int) -> Batch | None:
        if not self.inputs.subset:
            return None
        rows, mask = batches.balanced_rows(
            self.data.pool.labels,
            self.trainer.num_classes,
            lambda step: self.address.rng("order", 2, step),
            first,
            self.trainer.chunk_steps,
            self.inputs.subset,
        )
        return _batch(self.trainer, self.data, rows, mask)


def _batch(
    trainer: Trainer, data: Data, indices: np.ndarray, mask: np.ndarray
) -> Batch:
    rows = batches.share(indices, mask, parallel.num_shares(trainer.mesh))
    indices, mask = (each[:, parallel.own_shares(trainer.mesh)] for each in rows)
    labels = np.where(mask, data.pool.labels[indices], -1).astype(np.int32)
    target = parallel.over_chunk(trainer.mesh)
    placed = jax.device_put((labels, mask), target)
    return Batch(data.images.place(indices), *placed)


def _clock(trainer: Trainer, first: int, num_steps: int, epoch_steps: int) -> Clock:
    shape = (trainer.chunk_steps, trainer.mesh.devices.size)
    steps = np.arange(first, first + trainer.chunk_steps, dtype=np.int32)
    columns = steps[:, None], np.int32(num_steps), np.int32(epoch_steps)
    target = parallel.over_chunk(trainer.mesh)
    return Clock(*(jax.device_put(np.broadcast_to(c, shape), target) for c in columns))


def _counts(trainer: Trainer, counts: tuple[int, int]) -> jax.Array:
    shape = (trainer.chunk_steps, trainer.mesh.devices.size, len(counts))
    repeated = np.broadcast_to(np.asarray(counts, np.int32), shape)
    placed: jax.Array = jax.device_put(repeated, parallel.over_chunk(trainer.mesh))
    return placed
