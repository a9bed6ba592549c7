"""The command of the comparison."""

import json
from collections.abc import Sequence
from pathlib import Path

from experiments import command, comparison, tables
from experiments.compare_digits import arms, check, report
from experiments.first_check import work
from experiments.first_check.check import environment_of
from gmmal_jax.storage import files


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, on one core, and write the tables; or check."""
    parser = command.parser(
        "compare_digits",
        "Every method on digits by one recipe: runs the pieces (a seed of an arm) that "
        "results.csv lacks. Killed, it goes on.",
        "three methods",
        check.RESULTS,
    )
    args = parser.parse_args(argv)
    code = command.answered(args, check.run, report.status, report.write)
    if code is None:
        _run(args.results, args.work, args.core)
    return code or 0


def _run(results: Path, folder: Path, core: int) -> None:
    for job in comparison.missing(list(arms.jobs()), tables.load(results)):
        (seed,) = job.seeds
        own = folder / f"seed-{seed}"
        (rows,) = work.run_all([job], own, None, [core], folder / "compiled")
        tables.save(results, [*tables.load(results), *rows])
        environment = json.dumps(environment_of(job, own), indent=2)
        files.write_atomic(results.with_name(check.ENVIRONMENT.name), environment)
        print(f"done: {job.world}, {job.arm}, seed {seed}", flush=True)
