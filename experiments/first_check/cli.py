"""The command of the experiment."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

from experiments import tables
from experiments.first_check import arms, check, report, tune, work
from gmmal_jax.storage import files


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing and write the tables; or tune; or check."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.first_check",
        description="Reg, DA and AS at small scale: runs what results.csv lacks, then "
        "rewrites the tables of experiments/README.md. Killed, it goes on.",
    )
    parser.add_argument(
        "--check", action="store_true", help="run one seed of three arms again"
    )
    parser.add_argument(
        "--tune",
        choices=list(tune.TRIALS),
        help="trials of an arm on validation data, into tuning_log.csv",
    )
    parser.add_argument("--worlds", nargs="+", default=list(tune.SEEDS))
    parser.add_argument("--work", type=Path, default=Path("runs/first_check"))
    parser.add_argument("--data-dir", help="of the prepared TFDS data sets")
    parser.add_argument("--cores", nargs="+", type=int, default=_cores())
    args = parser.parse_args(argv)
    if args.check:
        return check.run(args.cores)
    for world in args.worlds:
        if args.tune:
            tune.run(args.tune, world, args.work, args.data_dir, args.cores)
        else:
            _report(world, args)
    return 0


def _report(world: str, args: argparse.Namespace) -> None:
    """Run the arms of a world on test data, each once."""
    done = tables.load(check.RESULTS)
    known = {(row["world"], row["arm"]) for row in done}
    jobs = [job for job in arms.jobs(world) if (job.world, job.arm) not in known]
    for rows in work.run_all(jobs, args.work, args.data_dir, args.cores):
        done = [*tables.load(check.RESULTS), *rows]
        tables.save(check.RESULTS, done)
        print(f"done: {world}, {rows[0]['arm']}", flush=True)
    if jobs:
        environment = check.environment_of(jobs[0], args.work)
        files.write_atomic(check.ENVIRONMENT, json.dumps(environment, indent=2) + "\n")
    report.write(done, tables.load(tune.LOG))


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
