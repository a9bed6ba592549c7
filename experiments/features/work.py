"""Jobs: an arm of some seeds in a world, run and put on record once."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import jobs as pieces, processes, tables
from experiments.features import worlds
from experiments.first_check.check import environment_of
from experiments.jobs import Job
from gmmal_jax.storage import files, records

PROCESS = "experiments.features.job"
SECONDS = "seconds"
"""The column that is another one each time."""
ENVIRONMENT = "environment"
"""The column that says what a row ran with, by its name in `Places.environments`."""


class Places(NamedTuple):
    """Where everything lies.

    Attributes:
      features: the folder of the features.
      work: runs under way, logs, compiled programs.
      results: the table.
    """

    features: Path
    work: Path
    results: Path

    @property
    def environments(self) -> Path:
        """Versions, device and processor of the table's rows, by their names."""
        return self.results.with_name(f"{self.results.stem}_environments.json")


def run_all(wanted: Sequence[Job], places: Places, core: int) -> Iterator[int]:
    """Run jobs, those of a world that follow each other in one process.

    Yields:
      After each process, how many jobs it ran.

    Raises:
      RuntimeError: one failed; what it printed is in `log.txt`.
    """
    for _, group in itertools.groupby(wanted, lambda job: job.world):
        batch = list(group)
        paths = [str(path) for path in places]
        arguments = [str(core), *paths, json.dumps(batch)]
        log, compiled = places.work / "log.txt", places.work / "compiled"
        processes.run(PROCESS, arguments, log, compiled)
        yield len(batch)


def do(job: Job, places: Places) -> None:
    """Run a job in this process, or go on with it; put it on record."""
    own = places.work / f"seeds-{'-'.join(map(str, job.seeds))}"
    folder = job.folder(own)
    base = worlds.settings(worlds.named(job.world), places.features)
    rows = pieces.run(job, base, own)
    spent = [record.timings["total"] for record in records.load(folder)]
    name = _known(environment_of(job, own), places.environments)
    timed = [
        row | {SECONDS: f"{seconds:.3f}", ENVIRONMENT: name}
        for row, seconds in zip(rows, spent, strict=True)
    ]
    tables.save(places.results, [*tables.load(places.results), *timed])
    print(f"done: {job.world}, {job.arm}, seeds {job.seeds}", flush=True)
    shutil.rmtree(folder)


def environments(path: Path) -> dict[str, dict[str, Any]]:
    """What rows ran with, by name; none where there is no file yet."""
    found: dict[str, dict[str, Any]] = {}
    if path.exists():
        found = json.loads(path.read_text())
    return found


def _known(environment: dict[str, Any], path: Path) -> str:
    """The name of an environment, which the file holds from now on."""
    text = json.dumps(environment, sort_keys=True)
    name = hashlib.sha256(text.encode()).hexdigest()[:8]
    known = environments(path) | {name: environment}
    files.write_atomic(path, json.dumps(known, indent=2, sort_keys=True) + "\n")
    return name
