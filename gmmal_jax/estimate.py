"""How long a run will take: images counted beforehand, seconds an image measured."""

from typing import NamedTuple

from gmmal_jax import train
from gmmal_jax.bind import Run
from gmmal_jax.phases.base import Learner, Phase

_READ = 1 / 3
"""An image that is only read costs a forward pass, in training a backward one, too,
which takes twice as long."""
_MEASURED = 3.0
"""Seconds of training after which an estimate is given."""
LONG = 3600.0
"""Seconds above which a person is told what would shorten the run."""


class Images(NamedTuple):
    """Images that pass a network.

    Attributes:
      trained: in steps, forward and backward.
      read: in evaluation mode.
    """

    trained: int
    read: int

    @property
    def work(self) -> float:
        """Images of steps that would take as long."""
        return self.trained + _READ * self.read


def of_training(
    learner: Learner,
    chunk_steps: int,
    labeled: int,
    pool: int,
    first_phase: int = 0,
    refit_rows: int | None = None,
) -> Images:
    """Of one cycle's training: steps, and the pool at each refit.

    Args:
      learner: whose phases are counted.
      chunk_steps: that phases are rounded up to.
      labeled: rows that the cycle trains on.
      pool: rows of the pool.
      first_phase: those before it are not run.
      refit_rows: unlabeled rows that refits before the last one read; None: all.
    """
    trained, read, some = 0, 0, pool
    if refit_rows is not None:
        some = min(pool, labeled + refit_rows)
    for phase in learner.phases[first_phase:]:
        steps = train.length(phase, (labeled, pool - labeled), chunk_steps)
        trained += steps * phase.inputs.rows
        if phase.refresh:
            read += _refreshes(phase, steps) * some
    refits = any(phase.refresh for phase in learner.phases[first_phase:])
    return Images(trained, read + (pool - some if refits else 0))


def _refreshes(phase: Phase, steps: int) -> int:
    if phase.refresh_once:
        return 1
    return -(-steps // (phase.refresh_every or steps)) + 1


def of_run(run: Run) -> float:
    """The work of all arms, seeds and cycles, in images of steps.

    Every cycle also reads once what it asks among, and what is measured on.
    """
    total = 0.0
    for arm in run.arms:
        chunk, labeled = arm.config.train.chunk_steps, run.config.initial
        for budget in run.budgets:
            for split in run.splits.values():
                pool, measured = len(split.pool), len(split.evaluation_rows)
                done = of_training(
                    arm.method.learner, chunk, labeled, pool,
                    refit_rows=arm.config.gmm.refit_rows,
                )  # fmt: skip
                refits = done.read * (run.room.reads if run.room else 1)
                some = arm.config.select.subset_size
                seen = pool if some is None else min(pool, labeled + some)
                total += done._replace(read=refits + seen + measured).work
            labeled += budget
    return total


class Forecast:
    """Tells once how long all will take, when it can know.

    Args:
      work: of the whole, as `of_run` counts it.
    """

    def __init__(self, work: float) -> None:
        self.work, self.images, self.seconds = work, 0.0, 0.0
        self.phases: set[tuple[str, int]] = set()
        self.told = False

    def after(self, arm: str, phase: int, images: int, seconds: float) -> float | None:
        """Seconds of the whole, after a chunk of steps; None: not now.

        Args:
          arm: that ran it.
          phase: of the arm's learner. The first chunk of each compiles, and is no
            measure.
          images: of the chunk's steps.
          seconds: that it took.
        """
        if (arm, phase) not in self.phases:
            self.phases.add((arm, phase))
            return None
        self.images += images
        self.seconds += seconds
        if self.told or self.seconds < _MEASURED:
            return None
        self.told = True
        return self.work * self.seconds / self.images


def in_words(seconds: float) -> str:
    """About how long: one or two digits, in the unit that a person would use."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86400)} days"
