"""Runs of arms in processes of their own, one core each, so that bits repeat."""

import json
import os
import queue
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import gmmal_jax
from experiments import tables
from experiments.costs import cost
from experiments.first_check import worlds
from gmmal_jax import bind, loop
from gmmal_jax.report.load import Loaded
from gmmal_jax.storage.records import Record

ROWS = "rows.csv"
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
      world: a key of `worlds.WORLDS`.
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


def run_all(
    jobs: Sequence[Job],
    work: Path,
    data_dir: str | None,
    cores: Sequence[int],
    compiled: Path | None = None,
) -> Iterator[list[tables.Row]]:
    """Run jobs, as many at once as there are cores; what is done is not done again.

    Args:
      jobs: what to run.
      work: where the runs lie.
      data_dir: of prepared TFDS data sets.
      cores: the processes are pinned to.
      compiled: the folder of compiled programs. None: one in `work`.

    Yields:
      Each job's rows, in the order of the jobs.

    Raises:
      RuntimeError: a job's process failed; what it printed is in `log.txt`.
    """
    for world in {job.world for job in jobs}:
        worlds.settings(world, work, data_dir)  # reduced once, before all read it
    free: queue.Queue[int] = queue.Queue()
    for core in cores:
        free.put(core)

    def finish(job: Job) -> list[tables.Row]:
        core = free.get()
        try:
            if not (job.folder(work) / ROWS).exists():
                _in_own_process(job, work, core, compiled or work / "compiled")
        finally:
            free.put(core)
        return tables.load(job.folder(work) / ROWS)

    with ThreadPoolExecutor(len(cores)) as pool:
        yield from pool.map(finish, jobs)


def _in_own_process(job: Job, work: Path, core: int, compiled: Path) -> None:
    folder = job.folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "experiments.first_check.job"]
    arguments = [json.dumps(job), str(work), str(core)]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
    }
    with (folder / "log.txt").open("w") as log:
        ended = subprocess.run(
            [*command, *arguments], stdout=log, stderr=log, env=environment
        )
    if ended.returncode:
        raise RuntimeError(f"{job.world}, {job.arm}: see {folder / 'log.txt'}")


def do(job: Job, work: Path) -> None:
    """Run a job in this process, or go on with it, and write its rows."""
    folder = job.folder(work)
    own: dict[str, Any] = {"seeds": tuple(job.seeds), "eval": job.eval}
    base = worlds.settings(job.world, work, None)
    config = gmmal_jax.replace(base, **(own | job.changes))
    done = gmmal_jax.run(config, folder, Lines(), num_devices=1)
    bound = bind.prepare(config, folder, 1)
    learner, chunk = bound.arms[0].method.learner, config.train.chunk_steps
    found = []
    for i, seed in enumerate(done.results["seed"]):
        pool = len(bound.splits[int(seed)].pool)
        spent = cost(learner, chunk, int(done.results["labeled"][i]), pool)
        found.append(_row(job, done, i, spent))
    tables.save(folder / ROWS, found)


class Lines(loop.Silent):
    """A reporter that prints a line a cycle, for the log."""

    def note(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def row(self, arm: str, record: Record) -> None:
        """Print the cycle's results."""
        print(arm, record.seed, record.cycle, record.results, flush=True)


def _row(job: Job, done: Loaded, i: int, spent: dict[str, int]) -> tables.Row:
    results, numbers = done.results, done.diagnostics
    row = {
        "world": job.world,
        "arm": job.arm,
        "eval": job.eval,
        "seed": str(results["seed"][i]),
        "cycle": str(results["cycle"][i]),
        "labeled": str(results["labeled"][i]),
        "accuracy": f"{results['accuracy'][i]:.6f}",
        "balanced_accuracy": f"{results['balanced_accuracy'][i]:.6f}",
        "labeled_class_entropy": f"{results['labeled_class_entropy'][i]:.4f}",
    }
    row |= {name: str(value) for name, value in spent.items()}
    for column, name in NUMBERS.items():
        row[column] = f"{numbers[name][i]:.4g}" if name in numbers else ""
    return row
