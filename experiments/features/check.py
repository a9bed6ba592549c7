"""Do committed rows come out again? Two pieces on committed features, from nothing.

The features are every fourth number of the first 2,000 training pictures of CIFAR-10
(`data.small`); 1,600 rows are the pool.
"""

import json
import tempfile
from pathlib import Path

from experiments import tables
from experiments.features import primary, work, worlds
from experiments.first_check.check import compare
from experiments.jobs import Job
from gmmal_jax.storage import files

RESULTS = Path(__file__).with_name("check.csv")
ENVIRONMENT = RESULTS.with_name("check_environment.json")
ARMS = (primary.arm(primary.QUERY), primary.arm(primary.PLAIN, "reg_da"))


def run(core: int) -> int:
    """Run again, compare, print; the exit code: 0 if all rows agree, else 1."""
    with tempfile.TemporaryDirectory() as folder:
        found, environment = _again(Path(folder), core)
    committed = [_lasting(row) for row in tables.load(RESULTS)]
    rows = [_lasting(row) for row in found]
    return compare(rows, committed, environment, ENVIRONMENT)


def record(core: int) -> None:
    """Write what `run` compares with."""
    with tempfile.TemporaryDirectory() as folder:
        found, environment = _again(Path(folder), core)
    tables.save(RESULTS, found)
    files.write_atomic(ENVIRONMENT, json.dumps(environment, indent=2) + "\n")


def _again(folder: Path, core: int) -> tuple[list[tables.Row], dict[str, str]]:
    arms = primary.arms()
    jobs = [Job(worlds.CHECK.key, arm, arms[arm], (0,), "test") for arm in ARMS]
    places = work.Places(folder, folder / "work", folder / "found.csv")
    for _ in work.run_all(jobs, places, core):
        pass
    (environment,) = work.environments(places.environments).values()
    return tables.load(places.results), environment


def _lasting(row: tables.Row) -> tables.Row:
    """Without the seconds, and what it ran with."""
    passing = {work.SECONDS, work.ENVIRONMENT}
    return {name: value for name, value in row.items() if name not in passing}
