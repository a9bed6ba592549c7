"""A cycle's training on disk, and how long its stages took."""

import functools
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax import parallel, pool as pools, train
from gmmal_jax.config import CheckpointConfig
from gmmal_jax.errors import UserError
from gmmal_jax.parallel import hosts
from gmmal_jax.phases.base import Learner
from gmmal_jax.pool import Pool
from gmmal_jax.storage import arrays, checkpoint
from gmmal_jax.storage.layout import Layout

STAGE_END = 0.2
"""Share of the time between checkpoints after which a stage's end gets one too: what
takes less to do again than a few saves is not worth one."""
_LABELS = "labels"
"""What a cycle's files call the digest of the labels that it trains on."""


class Resumed(NamedTuple):
    """What was found of a cycle that had begun.

    Attributes:
      standing: of the last good checkpoint; None: begin anew.
      warnings: a line for each newer one that could not be used.
    """

    standing: train.Standing | None
    warnings: list[str]


@functools.lru_cache(maxsize=8)
def shape_of_carried(learner: Learner) -> Any:
    """What a learner keeps from cycle to cycle; found by a trace, so only once.

    Args:
      learner: the recipe.

    Returns:
      Shapes and types; None: it keeps nothing.
    """
    return jax.eval_shape(
        lambda key: learner.carry(learner.init(key, None)), jax.random.key(0)
    )


def _restored(
    folder: Path, abstract: Any, wanted: dict[str, str] | None = None
) -> checkpoint.Restored:
    """The first process's newest good checkpoint, for all."""
    if hosts.num() == 1:
        return checkpoint.restore_latest_good(folder, abstract, wanted)
    state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), abstract)

    def read() -> list[Any]:
        nonlocal state
        found = checkpoint.restore_latest_good(folder, abstract, wanted)
        state = state if found.state is None else found.state
        return [found.state is not None, found.meta, found.warnings]

    there, meta, warnings = hosts.told(read)
    return checkpoint.Restored(
        hosts.from_lead(state) if there else None, meta, warnings
    )


class Saver:
    """Checkpoints and the clock of one cycle.

    Args:
      places: of the arm's folder.
      seed: of the run.
      cycle: of the seed, from 0.
      config: how often to save.
      trainer: whose states they are, and on which devices.
      pool: that the cycle trains on. What was saved with other labels is not gone on
        with: a folder may have been left by a cycle after other queries, or its labels
        may have been asked for anew by another version. What does not say its labels
        is of an older version, and passed over, too: it cannot be known to be right,
        and is worth a part of one cycle.
    """

    def __init__(
        self,
        places: Layout,
        seed: int,
        cycle: int,
        config: CheckpointConfig,
        trainer: train.Trainer,
        pool: Pool,
    ) -> None:
        self.cycle, self.config, self.trainer = cycle, config, trainer
        self.folder = places.checkpoints(seed, cycle)
        self.first_stage = places.before(seed, cycle)
        self.kept = places.carried(seed, cycle)
        self.before = places.carried(seed, cycle - 1)
        self.first_record = places.record(seed, 0)
        self.labels = pools.digest(pool)
        self.saved = self.stage_began = time.monotonic()
        self.seconds: dict[str, float] = {}

    def carried(self) -> Any:
        """What the learner kept of the cycle before; None where it keeps nothing.

        Raises:
          UserError: it is lost, so that the seed cannot go on as it would have.
        """
        if self.cycle == 0:
            return None
        abstract = shape_of_carried(self.trainer.learner)
        if abstract is None:
            return None
        found = _restored(self.before, abstract)
        if found.state is None:
            why = found.warnings[0] if found.warnings else f"{self.before} is missing"
            what = f"state of the last cycle is lost ({why})"
            remedy = f"delete {self.first_record.parent}, then `gmmal resume`"
            raise UserError(what, None, f"{remedy}: the seed begins anew")
        return parallel.place_state(self.trainer.mesh, found.state)

    def keep_carried(self, carried: Any) -> None:
        """Save what the next cycle needs; each cycle has its own folder."""
        if carried is not None and hosts.leads():
            checkpoint.save(self.kept, "carried-0", carried, {})

    def keep_before(self, latents: dict[str, np.ndarray]) -> None:
        """Save what a map shows of the first stage's end, until the cycle is recorded.

        It is on the disk before any checkpoint of a later stage is: a cycle that goes
        on from one finds the bytes that it would have had.
        """
        if hosts.leads():
            of = np.frombuffer(bytes.fromhex(self.labels), np.uint8)
            arrays.write(self.first_stage, latents | {_LABELS: of})
        self.lap("scoring")

    def kept_before(self) -> dict[str, np.ndarray] | None:
        """What `keep_before` saved, where it did.

        None: nothing, or the file is damaged or of other labels.
        """
        if not hosts.leads():
            return None
        try:
            found = arrays.read(self.first_stage)
        except ValueError:
            return None
        of = found.pop(_LABELS, np.zeros(0, np.uint8))
        return found if of.tobytes().hex() == self.labels else None

    def clean(self) -> None:
        """After the record: this cycle's checkpoints are of no more use."""
        if not hosts.leads():
            return
        checkpoint.clear(self.folder)
        self.first_stage.unlink(missing_ok=True)
        if self.cycle:
            checkpoint.clear(self.before)

    def resume(self, previous: Any) -> Resumed:
        """The last good checkpoint of this cycle, trained with these labels.

        Args:
          previous: from `carried`.
        """
        if not hosts.told(self.folder.is_dir):
            return Resumed(None, [])
        abstract = jax.eval_shape(self.trainer.init, jax.random.key(0), previous)
        found = _restored(self.folder, abstract, {_LABELS: self.labels})
        if found.state is None:
            return Resumed(None, found.warnings)
        self.seconds = dict(found.meta["seconds"])
        state = parallel.place_state(self.trainer.mesh, found.state)
        position = train.Position(*found.meta["position"])
        standing = train.Standing(state, position, found.meta["metrics"])
        return Resumed(standing, found.warnings)

    def is_due(self, chunk: train.Chunk) -> bool:
        """Whether it is time for a checkpoint: also where the clock has gone back."""
        wanted = self.config.every_seconds
        if chunk.step == chunk.num_steps:
            wanted *= STAGE_END
        gone = time.monotonic() - self.saved
        return gone >= wanted or gone < 0

    def save(self, standing: train.Standing) -> None:
        """Save where training stands; of several processes the first one does."""
        phase, step = standing.position
        meta = {
            "position": [phase, step],
            "metrics": standing.metrics,
            "seconds": self.seconds,
            _LABELS: self.labels,
        }
        name, keep = f"phase-{phase}-step-{step:06d}", self.config.keep
        if hosts.leads():
            checkpoint.save(self.folder, name, standing.state, meta, keep=keep)
        self.lap("checkpoint")
        self.saved = time.monotonic()

    def lap(self, name: str) -> None:
        """A stage, or a part of it, has ended now."""
        now = time.monotonic()
        gone = max(0.0, now - self.stage_began)  # a clock may go back
        self.seconds[name] = self.seconds.get(name, 0.0) + gone
        self.stage_began = now

    def timings(self) -> dict[str, float]:
        """Seconds by stage, interrupted parts counted once; scoring ends now."""
        self.lap("scoring")
        return self.seconds | {"total": sum(self.seconds.values())}
