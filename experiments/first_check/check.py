"""Do the committed rows come out again? One seed of three arms, from nothing."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import tables
from experiments.first_check import arms
from experiments.first_check.work import run_all
from experiments.jobs import Job
from gmmal_jax.cli import doctor
from gmmal_jax.storage import run_folder

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
ENVIRONMENT = HERE / "environment.json"
ARMS = (
    f"{arms.PLAIN} / ce",
    f"{arms.PLAIN} / reg, longer",
    "gmm balance_kmeans / reg_da",
)
SAME = ("jax", "jaxlib", "numpy", "device", "processor")
"""Where all of these are equal, so must be every digit."""
POINTS = 12.0
"""Elsewhere rounding alone moves a run of few labels by points; a mean of the cycles
further off than this is another algorithm (or a very unlucky machine)."""


def run(cores: Sequence[int]) -> int:
    """Run again, compare, print; the exit code: 0 if all rows agree, else 1."""
    jobs = [job for job in arms.jobs("digits", (0,)) if job.arm in ARMS]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found = [row for rows in run_all(jobs, work, None, cores) for row in rows]
        environment = environment_of(jobs[0], work)
    return compare(found, tables.load(RESULTS), environment, ENVIRONMENT)


def compare(
    found: Sequence[tables.Row],
    committed: Sequence[tables.Row],
    environment: dict[str, Any],
    recorded: Path,
) -> int:
    """Print how rows differ from the committed ones; 0 if all arms agree, else 1.

    Args:
      found: rows of arms that were run again.
      committed: the table.
      environment: what they ran with now (`environment_of`).
      recorded: the file that says what the table ran with.
    """
    exact = _same(environment, recorded)
    print("every digit must agree" if exact else f"within {POINTS} points, on average")
    arms_found = dict.fromkeys((row["world"], row["arm"]) for row in found)
    agreed = [_agrees(found, committed, arm, exact) for arm in arms_found]
    return 0 if all(agreed) else 1


def environment_of(job: Job, work: Path) -> dict[str, Any]:
    """Versions and device that a job ran with, and the processor of this machine."""
    versions: dict[str, Any] = run_folder.read_config(job.folder(work))["versions"]
    model, vectors = doctor.processor()
    return versions | {"processor": " ".join((model, *vectors))}


def _same(environment: dict[str, Any], recorded: Path) -> bool:
    committed = json.loads(recorded.read_text())
    return all(environment[name] == committed.get(name) for name in SAME)


def _agrees(
    found: Sequence[tables.Row],
    committed: Sequence[tables.Row],
    arm: tuple[str, str],
    exact: bool,
) -> bool:
    ours = [row for row in found if (row["world"], row["arm"]) == arm]
    wanted = {(row["seed"], row["cycle"]) for row in ours}
    theirs = [
        row
        for row in committed
        if (row["world"], row["arm"]) == arm and (row["seed"], row["cycle"]) in wanted
    ]
    gaps = [
        100 * (float(a["accuracy"]) - float(b["accuracy"]))
        for a, b in zip(ours, theirs, strict=True)
    ]
    well = ours == theirs if exact else abs(sum(gaps) / len(gaps)) <= POINTS
    shown = ", ".join(f"{gap:+.2f}" for gap in gaps)
    verdict, name = "ok" if well else "DIFFERS", ", ".join(arm)
    print(f"{verdict}: {name}, points off at each size: {shown}")
    return well
