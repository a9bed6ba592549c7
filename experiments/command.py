"""What the commands of comparisons share: their options, and all but the running."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments import tables

Rows = Sequence[tables.Row]


def parser(
    name: str, description: str, checked: str, results: Path
) -> argparse.ArgumentParser:
    """Options of a comparison.

    Args:
      name: of its package.
      description: of the command.
      checked: what `--check` runs again, in words.
      results: its table.
    """
    found = argparse.ArgumentParser(
        prog=f"python -m experiments.{name}", description=description
    )
    found.add_argument("--check", action="store_true", help=f"{checked} again")
    found.add_argument("--report", action="store_true", help="write the tables only")
    found.add_argument("--status", action="store_true", help="what is done, and left")
    found.add_argument("--work", type=Path, default=Path("runs") / name)
    found.add_argument("--results", type=Path, default=results)
    found.add_argument("--core", type=int, default=0, help="the core to run on")
    return found


def answered(
    args: argparse.Namespace,
    check: Callable[[int], int],
    status: Callable[[Rows], str],
    write: Callable[[Rows], None],
) -> int | None:
    """The exit code, where no piece is to be run; None: some are."""
    if args.check:
        return check(args.core)
    if args.status:
        print(status(tables.load(args.results)))
    elif args.report:
        write(tables.load(args.results))
    else:
        return None
    return 0
