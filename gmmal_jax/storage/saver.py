"""Between the chunks of a cycle: checkpoints, signals, the clock."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax

from gmmal_jax import cycle as cycles, methods, parallel, train
from gmmal_jax.config import Config
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.phases.base import Learner
from gmmal_jax.storage import checkpoint
from gmmal_jax.storage.records import Record

STAGE_END = 0.2
"""Share of the time between checkpoints after which a stage's end gets one too: what
takes less to do again than a few saves is not worth one."""


class Arm(NamedTuple):
    """One method of a run, in its own folder."""

    label: str
    folder: Path
    config: Config
    method: methods.Method
    trainer: train.Trainer


Stop = Callable[[], int | None]
"""Asked after every chunk; a signal's number ends the run, saved."""


@runtime_checkable
class Reporter(Protocol):
    """Where a run tells how it goes; all methods return at once."""

    def note(self, text: str) -> None:
        """One line of news: a checkpoint that could not be used, ..."""

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Progress) -> None:
        """A chunk of steps is done."""

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""

    def row(self, arm: str, record: Record) -> None:
        """A cycle is done and recorded."""


@functools.lru_cache(maxsize=8)
def _shape_of_carried(learner: Learner) -> Any:
    """What a learner keeps from cycle to cycle; found by a trace, so only once."""
    return jax.eval_shape(
        lambda key: learner.carry(learner.init(key, None)), jax.random.key(0)
    )


class Saver:
    """Between chunks: checkpoints, signals, the clock; before a cycle: restoring."""

    def __init__(
        self,
        arm: Arm,
        seed: int,
        cycle: int,
        report: Reporter,
        stop: Callable[[], int | None],
    ) -> None:
        self.arm, self.seed, self.cycle, self.report, self.stop = (
            arm, seed, cycle, report, stop,
        )  # fmt: skip
        self.place = arm.folder / "checkpoints" / f"seed-{seed:03d}"
        self.folder = self.place / f"cycle-{cycle:02d}"
        self.saved = self.began = self.stage_began = time.monotonic()
        self.seconds: dict[str, float] = {}

    def carried(self) -> Any:
        """What the learner kept of the cycle before; None where it keeps nothing.

        Raises:
          UserError: it is lost, so that the run cannot go on as it would have.
        """
        if self.cycle == 0:
            return None
        abstract = _shape_of_carried(self.arm.method.learner)
        if abstract is None:
            return None
        folder = self._carry_folder(self.cycle - 1)
        found = checkpoint.restore_latest_good(folder, abstract)
        if found.state is None:
            why = found.warnings[0] if found.warnings else f"{folder} is missing"
            what = f"state of the last cycle is lost ({why})"
            raise UserError(what, None, "start a new run with another --out")
        return parallel.place_state(self.arm.trainer.mesh, found.state)

    def keep_carried(self, carried: Any) -> None:
        """Save what the next cycle needs; each cycle has its own folder."""
        if carried is not None:
            checkpoint.save(self._carry_folder(self.cycle), "carried-0", carried, {})

    def clean(self) -> None:
        """After the record: this cycle's checkpoints are of no more use."""
        checkpoint.clear(self.folder)
        if self.cycle:
            checkpoint.clear(self._carry_folder(self.cycle - 1))

    def _carry_folder(self, cycle: int) -> Path:
        return self.place / f"carried-{cycle:02d}"

    def resume(self, previous: Any) -> cycles.Resumed | None:
        """The last good checkpoint of this cycle; None: begin it anew."""
        if not self.folder.is_dir():
            return None
        init = self.arm.trainer.init
        abstract = jax.eval_shape(init, jax.random.key(0), previous)
        found = checkpoint.restore_latest_good(self.folder, abstract)
        for line in found.warnings:
            self.report.note(line)
        if found.state is None:
            return None
        self.seconds = dict(found.meta["seconds"])
        return cycles.Resumed(
            parallel.place_state(self.arm.trainer.mesh, found.state),
            train.Position(*found.meta["position"]),
            found.meta["metrics"],
        )

    def on_chunk(self, chunk: train.Progress) -> None:
        """Tell, save when it is time, stop when asked to."""
        self._lap(chunk.name)
        self.report.progress(self.arm.label, self.seed, self.cycle, chunk)
        signum = self.stop()
        wanted = self.arm.config.checkpoint.every_seconds
        if chunk.step == chunk.num_steps:
            wanted *= STAGE_END
        if signum or time.monotonic() - self.saved >= wanted:
            self._save(chunk)
        if signum:
            raise Interrupted(signum)

    def _save(self, chunk: train.Progress) -> None:
        phase, step = chunk.position
        checkpoint.save(
            self.folder,
            f"phase-{phase}-step-{step:06d}",
            chunk.state,
            {
                "position": [phase, step],
                "metrics": chunk.metrics,
                "seconds": self.seconds,
            },
            keep=self.arm.config.checkpoint.keep,
        )
        self._lap("checkpoint")
        self.saved = time.monotonic()

    def on_scoring(self) -> None:
        """Training is over: what follows is scoring."""
        self._lap("scoring")
        self.report.stage(self.arm.label, self.seed, self.cycle, "scoring")

    def timings(self) -> dict[str, float]:
        """Seconds by stage, interrupted parts counted once."""
        self._lap("scoring")
        return self.seconds | {"total": sum(self.seconds.values())}

    def _lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.stage_began
        self.stage_began = now
