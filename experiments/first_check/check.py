"""Do the committed rows come out again? One seed of three arms, from nothing."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments import tables
from experiments.first_check import arms
from experiments.first_check.work import Job, run_all
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
    exact = _same(environment)
    print("every digit must agree" if exact else f"within {POINTS} points, on average")
    agreed = [_agrees(found, arm, exact) for arm in ARMS]
    return 0 if all(agreed) else 1


def environment_of(job: Job, work: Path) -> dict[str, Any]:
    """Versions and device that a job ran with, and the processor of this machine."""
    versions = run_folder.read_config(job.folder(work))["versions"]
    model, vectors = doctor.processor()
    return versions | {"processor": " ".join((model, *vectors))}


def _same(environment: dict[str, Any]) -> bool:
    committed = json.loads(ENVIRONMENT.read_text())
    return all(environment[name] == committed.get(name) for name in SAME)


def _agrees(found: Sequence[tables.Row], arm: str, exact: bool) -> bool:
    ours = [row for row in found if row["arm"] == arm]
    wanted = {(arm, "digits", "0", row["cycle"]) for row in ours}
    theirs = [
        row
        for row in tables.load(RESULTS)
        if (row["arm"], row["world"], row["seed"], row["cycle"]) in wanted
    ]
    gaps = [
        100 * (float(a["accuracy"]) - float(b["accuracy"]))
        for a, b in zip(ours, theirs, strict=True)
    ]
    well = ours == theirs if exact else abs(sum(gaps) / len(gaps)) <= POINTS
    shown = ", ".join(f"{gap:+.2f}" for gap in gaps)
    print(f"{'ok' if well else 'DIFFERS'}: {arm}, points off at each size: {shown}")
    return well
