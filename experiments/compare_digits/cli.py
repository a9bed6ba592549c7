"""The command of the comparison."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from experiments import tables
from experiments.compare_digits import arms, check, report
from experiments.first_check import work
from experiments.first_check.check import environment_of
from gmmal_jax.storage import files


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, on one core, and write the tables; or check."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.compare_digits",
        description="Every method on digits by one recipe: runs the pieces (a seed of "
        "an arm) that results.csv lacks. Killed, it goes on.",
    )
    parser.add_argument("--check", action="store_true", help="three methods again")
    parser.add_argument("--report", action="store_true", help="write the tables only")
    parser.add_argument("--status", action="store_true", help="what is done, and left")
    parser.add_argument("--work", type=Path, default=Path("runs/compare_digits"))
    parser.add_argument("--results", type=Path, default=check.RESULTS)
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    args = parser.parse_args(argv)
    if args.check:
        return check.run(args.core)
    if args.status:
        print(report.status(tables.load(args.results)))
    elif args.report:
        report.write(tables.load(args.results))
    else:
        _run(args.results, args.work, args.core)
    return 0


def _run(results: Path, folder: Path, core: int) -> None:
    done = {(row["world"], row["arm"], row["seed"]) for row in tables.load(results)}
    for job in arms.jobs():
        (seed,) = job.seeds
        if (job.world, job.arm, str(seed)) in done:
            continue
        own = folder / f"seed-{seed}"
        (rows,) = work.run_all([job], own, None, [core], folder / "compiled")
        tables.save(results, [*tables.load(results), *rows])
        environment = json.dumps(environment_of(job, own), indent=2)
        files.write_atomic(results.with_name(check.ENVIRONMENT.name), environment)
        print(f"done: {job.world}, {job.arm}, seed {seed}", flush=True)
