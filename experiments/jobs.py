"""A piece of a comparison: one arm's run on one world, and the rows of a table."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gmmal_jax
from experiments import tables
from experiments.costs import cost
from gmmal_jax import bind, loop, opening
from gmmal_jax.config import Config
from gmmal_jax.storage import records
from gmmal_jax.storage.records import Record

NUMBERS = {
    "reg_pull": "supervised/reg/gradient_ratio",
    "reg_saturated": "supervised/reg/saturated_posteriors",
    "critic_gap": "alignment/critic/gap",
    "critic_auc": "critic/auc",
    "held_out_auc": "critic/held_out_auc",
    "critic_entropy": "critic/binary_entropy",
}
"""Column of the table -> diagnostic of the cycle; empty where the arm has none."""


class Job(NamedTuple):
    """One arm on one world, all its seeds in one process.

    Attributes:
      world: which data and settings it has in common with others.
      arm: its name in tables.
      changes: of the world's settings, by dotted field.
      seeds: of the run.
      eval: "test" or "validation".
    """

    world: str
    arm: str
    changes: dict[str, Any]
    seeds: tuple[int, ...]
    eval: str

    def folder(self, work: Path) -> Path:
        """Where its run lies."""
        return work / self.eval / self.world / re.sub(r"\W+", "_", self.arm)


def run(job: Job, base: Config, work: Path) -> list[tables.Row]:
    """Run a job in this process, or go on with it.

    Args:
      job: what is run.
      base: the configuration that all arms of its world start from.
      work: where the runs lie.

    Returns:
      Its rows, a seed's cycles after another's.
    """
    folder = job.folder(work)
    # As `gmmal_jax.run` does it, but what is bound is wanted afterwards, too.
    with opening.opened(config(job, base), folder, 1) as (bound, _):
        loop.execute(bound, Lines())
        return rows(job, bound, records.load(folder))


def config(job: Job, base: Config) -> Config:
    """Of a job's run.

    Args:
      job: what is run.
      base: the configuration that all arms of its world start from.
    """
    own: dict[str, Any] = {"seeds": tuple(job.seeds), "eval": job.eval}
    return gmmal_jax.replace(base, **(own | job.changes))


def rows(job: Job, bound: bind.Run, recorded: Sequence[Record]) -> list[tables.Row]:
    """A row of each of a job's records.

    Args:
      job: what is run.
      bound: its run.
      recorded: finished cycles.
    """
    learner, chunk = bound.arms[0].method.learner, bound.config.train.chunk_steps
    found = []
    for record in recorded:
        pool = len(bound.splits[record.seed].pool)
        spent = cost(learner, chunk, record.results["labeled"], pool)
        found.append(_row(job, record, spent))
    return found


class Lines(loop.Silent):
    """A reporter that prints a line a cycle, for the log."""

    def note(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def row(self, arm: str, record: Record) -> None:
        """Print the cycle's results."""
        print(arm, record.seed, record.cycle, record.results, flush=True)


def _row(job: Job, record: Record, spent: dict[str, int]) -> tables.Row:
    results, numbers = record.results, record.diagnostics
    row = {
        "world": job.world,
        "arm": job.arm,
        "eval": job.eval,
        "seed": str(record.seed),
        "cycle": str(record.cycle),
        "labeled": str(results["labeled"]),
        "accuracy": f"{results['accuracy']:.6f}",
        "balanced_accuracy": f"{results['balanced_accuracy']:.6f}",
        "labeled_class_entropy": f"{results['labeled_class_entropy']:.4f}",
    }
    row |= {name: str(value) for name, value in spent.items()}
    for column, name in NUMBERS.items():
        row[column] = f"{numbers[name]:.4g}" if name in numbers else ""
    return row
