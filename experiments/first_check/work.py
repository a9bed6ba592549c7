"""Runs of arms in processes of their own, one core each, so that bits repeat."""

import json
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from experiments import jobs as pieces, processes, tables
from experiments.first_check import worlds
from experiments.jobs import Job

ROWS = "rows.csv"
PROCESS = "experiments.first_check.job"


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
                arguments = [json.dumps(job), str(work), str(core)]
                log = job.folder(work) / "log.txt"
                processes.run(PROCESS, arguments, log, compiled or work / "compiled")
        finally:
            free.put(core)
        return tables.load(job.folder(work) / ROWS)

    with ThreadPoolExecutor(len(cores)) as pool:
        yield from pool.map(finish, jobs)


def do(job: Job, work: Path) -> None:
    """Run a job in this process, or go on with it, and write its rows."""
    base = worlds.settings(job.world, work, None)
    tables.save(job.folder(work) / ROWS, pieces.run(job, base, work))
