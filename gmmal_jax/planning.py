"""What the steps of a cycle read: rows in their order, as the chunks take them."""

from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from gmmal_jax import keys, parallel
from gmmal_jax.data import batches
from gmmal_jax.data.store import Images
from gmmal_jax.phases.base import Phase
from gmmal_jax.pool import Pool
from gmmal_jax.types import Batch, Clock, Key, StepBatch


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


class Address(NamedTuple):
    """Where in a run's streams of random numbers a phase draws its own.

    Attributes:
      seed: of all streams.
      cycle: from 0.
      phase: of the learner, from 0.
    """

    seed: int
    cycle: int
    phase: int

    def key(self, use: str, *more: int) -> Key:
        """For `order`, `augmentation` or `refresh`, and what tells apart within it."""
        return keys.key(self.seed, *self._stream(use), *more)

    def rng(self, use: str, *more: int) -> np.random.Generator:
        """Likewise, on the host."""
        return keys.rng(self.seed, *self._stream(use), *more)

    def _stream(self, use: str) -> tuple[str, *tuple[int, ...]]:
        if self.phase == 0 and use != "refresh":
            return (use, self.cycle)
        kind = ("order", "augmentation", "refresh").index(use)
        return ("stage2", self.cycle, self.phase, kind)


class ChunkForm(NamedTuple):
    """How chunks are cut, for all phases of a run.

    Attributes:
      mesh: devices.
      chunk_steps: t, steps a dispatch.
      num_classes: c.
    """

    mesh: Mesh
    chunk_steps: int
    num_classes: int


class Plan:
    """The inputs of a phase's chunks."""

    def __init__(
        self,
        form: ChunkForm,
        phase: Phase,
        address: Address,
        data: Data,
        num_steps: int,
    ) -> None:
        """Of a phase of so many steps; nothing is read before a chunk is asked for."""
        self.form, self.inputs, self.address = form, phase.inputs, address
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
            clock=_clock(self.form, first, self.num_steps, (epoch_steps or [1])[0]),
            labeled=self._batch(self.labeled, first, sizes[0]),
            unlabeled=self._batch(self.unlabeled, first, sizes[1]),
            subset=self._subset(first),
            counts=_counts(self.form, self.counts),
        )

    def _batch(self, epochs: batches.Epochs, first: int, size: int) -> Batch | None:
        if not size:
            return None
        rows = epochs.rows(first, self.form.chunk_steps, size)
        return _batch(self.form, self.data, rows, np.ones(rows.shape, bool))

    def _subset(self, first: int) -> Batch | None:
        if not self.inputs.subset:
            return None
        rows, mask = batches.balanced_rows(
            self.data.pool.labels,
            self.form.num_classes,
            lambda step: self.address.rng("order", 2, step),
            first,
            self.form.chunk_steps,
            self.inputs.subset,
        )
        return _batch(self.form, self.data, rows, mask)


def _batch(form: ChunkForm, data: Data, indices: np.ndarray, mask: np.ndarray) -> Batch:
    rows = batches.share(indices, mask, parallel.num_shares(form.mesh))
    indices, mask = (each[:, parallel.own_shares(form.mesh)] for each in rows)
    labels = np.where(mask, data.pool.labels[indices], -1).astype(np.int32)
    target = parallel.over_chunk(form.mesh)
    placed = jax.device_put((labels, mask), target)
    return Batch(data.images.place(indices), *placed)


def _clock(form: ChunkForm, first: int, num_steps: int, epoch_steps: int) -> Clock:
    shape = (form.chunk_steps, form.mesh.devices.size)
    steps = np.arange(first, first + form.chunk_steps, dtype=np.int32)
    columns = steps[:, None], np.int32(num_steps), np.int32(epoch_steps)
    target = parallel.over_chunk(form.mesh)
    return Clock(*(jax.device_put(np.broadcast_to(c, shape), target) for c in columns))


def _counts(form: ChunkForm, counts: tuple[int, int]) -> jax.Array:
    shape = (form.chunk_steps, form.mesh.devices.size, len(counts))
    repeated = np.broadcast_to(np.asarray(counts, np.int32), shape)
    placed: jax.Array = jax.device_put(repeated, parallel.over_chunk(form.mesh))
    return placed
