"""Do committed rows come out again? One seed of three methods, from nothing."""

import tempfile
from pathlib import Path

from experiments import primary, tables
from experiments.compare_digits import arms
from experiments.first_check import check
from experiments.first_check.work import run_all

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
ENVIRONMENT = HERE / "environment.json"
ARMS = (arms.primary_arm("gmm"), arms.primary_arm("badge"), "typiclust")


def run(core: int) -> int:
    """Run again, compare, print; the exit code: 0 if all rows agree, else 1."""
    world = arms.WORLDS[primary.SETTINGS[0]]
    first = [job for job in arms.jobs() if job.world == world and job.seeds == (0,)]
    jobs = [job for job in first if job.arm in ARMS]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found = [row for rows in run_all(jobs, work, None, [core]) for row in rows]
        environment = check.environment_of(jobs[0], work)
    return check.compare(found, tables.load(RESULTS), environment, ENVIRONMENT)
