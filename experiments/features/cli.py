"""The command of the comparison on features."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments import command, comparison, tables
from experiments.features import arms, check, report, work, worlds

RESULTS = Path(__file__).with_name("results.csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, on one core, and write the tables; or check."""
    parser = command.parser(
        "features",
        "The paper's query and training, and every other method, on frozen features: "
        "runs the pieces (a seed of an arm in a world) that results.csv lacks. Killed, "
        "it goes on.",
        "two small pieces",
        RESULTS,
    )
    parser.add_argument("--features", type=Path, help="folder of cifar10_features.npz")
    args = parser.parse_args(argv)
    code = command.answered(args, check.run, report.status, report.write)
    if code is None:
        _require(parser, args.features)
        _run(work.Places(args.features, args.work, args.results), args.core)
    return code or 0


def _require(parser: argparse.ArgumentParser, features: Path | None) -> None:
    """End with one line where features are missing."""
    if features is None:
        parser.error("--features: name the folder of the features")
    for name in dict.fromkeys(data for data, _ in worlds.SETTINGS):
        path = worlds.file(features, name)
        if not path.exists():
            parser.error(
                f"--features: no such file: {path}; README says how to make it"
            )


def _run(places: work.Places, core: int) -> None:
    wanted = comparison.missing(list(arms.jobs()), tables.load(places.results))
    left = len(wanted)
    for done in work.run_all(wanted, places, core):
        left -= done
        print(f"{left} jobs left", flush=True)
