"""The command of the comparison on features."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from experiments import tables
from experiments.features import arms, check, report, work, worlds

RESULTS = Path(__file__).with_name("results.csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, on one core, and write the tables; or check."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.features",
        description="The paper's query and training, and every other method, on frozen "
        "features: runs the pieces (a seed of an arm in a world) that results.csv "
        "lacks. Killed, it goes on.",
    )
    parser.add_argument("--features", type=Path, help="folder of cifar10_features.npz")
    parser.add_argument("--check", action="store_true", help="two small pieces again")
    parser.add_argument("--report", action="store_true", help="write the tables only")
    parser.add_argument("--status", action="store_true", help="what is done, and left")
    parser.add_argument("--work", type=Path, default=Path("runs/features"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--core", type=int, default=0, help="the core to run on")
    args = parser.parse_args(argv)
    if args.check:
        return check.run(args.core)
    if args.status:
        print(report.status(tables.load(args.results)))
    elif args.report:
        report.write(tables.load(args.results))
    else:
        _require(parser, args.features)
        places = work.Places(args.features, args.work, args.results)
        _run(places, args.core)
    return 0


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
    wanted = work.missing(list(arms.jobs()), tables.load(places.results))
    left = len(wanted)
    for done in work.run_all(wanted, places, core):
        left -= done
        print(f"{left} pieces left", flush=True)
