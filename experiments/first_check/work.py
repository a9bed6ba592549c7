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

from experiments import tables
from experiments.first_check import worlds
from gmmal_jax import bind, config as configs, loop, train
from gmmal_jax.data import splits
from gmmal_jax.phases.base import Learner
from gmmal_jax.storage.records import Record, load

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
    jobs: Sequence[Job], work: Path, data_dir: str | None, cores: Sequence[int]
) -> Iterator[list[tables.Row]]:
    """Run jobs, as many at once as there are cores; what is done is not done again.

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
                _in_own_process(job, work, core)
        finally:
            free.put(core)
        return tables.load(job.folder(work) / ROWS)

    with ThreadPoolExecutor(len(cores)) as pool:
        yield from pool.map(finish, jobs)


def _in_own_process(job: Job, work: Path, core: int) -> None:
    folder = job.folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "experiments.first_check.job"]
    arguments = [json.dumps(job), str(work), str(core)]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(work / "compiled"),
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
    if (folder / bind.CONFIG_FILE).exists():
        prepared, _ = bind.reopen(folder, 1)
    else:
        own: dict[str, Any] = {"seeds": tuple(job.seeds), "eval": job.eval}
        base = worlds.settings(job.world, work, None)
        prepared = bind.start(configs.replace(base, **(own | job.changes)), folder, 1)
    loop.execute(prepared, _Quiet(), lambda: None)
    config, learner = prepared.config, prepared.arms[0].method.learner
    found = []
    for record in load(folder):
        pool = len(splits.make(config, prepared.dataset, record.seed).pool)
        spent = cost(learner, config.train.chunk_steps, record, pool)
        found.append(_row(job, record, spent))
    tables.save(folder / ROWS, found)


class _Quiet:
    """A reporter that prints a line a cycle, for the log."""

    def note(self, text: str) -> None:
        print(text, flush=True)

    def stage(self, *where: object) -> None:
        """Not of interest."""

    def progress(self, *where: object) -> None:
        """Not of interest."""

    def row(self, arm: str, record: Record) -> None:
        print(arm, record.seed, record.cycle, record.results, flush=True)


def cost(learner: Learner, chunk: int, record: Record, pool: int) -> dict[str, int]:
    """Optimizer steps of network and critic, and images forwarded, of one cycle.

    Images of the training steps, and the pool at each refit of the mixtures; readouts
    at the cycle's end are the same for all.

    Args:
      learner: whose phases are counted.
      chunk: steps that phases are rounded up to.
      record: of the cycle.
      pool: rows embedded at a refit.
    """
    result = {"network_steps": 0, "critic_steps": 0, "images_forwarded": 0}
    for phase in learner.phases:
        steps = train.length(phase, record.results["labeled"], chunk)
        result["network_steps"] += 0 if phase.name == "critic" else steps
        result["critic_steps"] += steps if phase.name in ("alignment", "critic") else 0
        result["images_forwarded"] += steps * sum(phase.inputs)
        if phase.refresh:
            refits = -(-steps // (phase.refresh_every or steps)) + 1
            result["images_forwarded"] += refits * pool
    return result


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
