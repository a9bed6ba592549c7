"""What goes wrong on a disk, in a process or with a clock: does a run bear it?

    python benchmarks/faults.py [--json FILE] [--only FAULT ...] [--some]

Each fault is done to a small run. What is expected of it: an exit code that is
documented, one line that names the file and a remedy where nothing else helps, never a
trace; and, once the fault is mended, `gmmal resume` ends in tables that are byte for
byte those of a run that was left alone. --some: a few cases of each fault. Where the
system allows it (`unshare -m`) all is done in a mount namespace of its own, with disks
that are really full and folders that are really read-only; else those are left out.
Exit code 1 if anything is not as expected.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import fault_cases
import harness
from fault_world import World
from harness import Floor, Row, Table

_INSIDE = "GMMAL_FAULTS_INSIDE"


def options(parser: argparse.ArgumentParser) -> None:
    """Which faults."""
    parser.add_argument("--only", nargs="+", choices=fault_cases.ALL)
    parser.add_argument("--some", action="store_true", help="a few cases of each")


def measure(arguments: argparse.Namespace) -> list[Table]:
    """Do the faults, and print a line for each."""
    rows = []
    with tempfile.TemporaryDirectory() as root:
        world = World(Path(root) / "world")
        for name in arguments.only or fault_cases.ALL:
            row = _row(name, fault_cases.ALL[name], world, arguments.some)
            print(" | ".join(str(value) for value in row.values()), flush=True)
            rows.append(row)
    done = [row for row in rows if row["cases"]]
    floors = {
        row["fault"]: [Floor("as expected", at_least=row["cases"])] for row in done
    }
    well = sum(row["as expected"] == row["cases"] for row in done)
    cases = sum(row["cases"] for row in done)
    note = f"{well} of {len(done)} faults, {cases} cases, end as they should"
    print(note)
    return [Table("Faults", rows, floors, f"{note}.")]


def _row(
    name: str, case: Callable[[World, bool], list[str]], world: World, some: bool
) -> Row:
    """Do a fault; its cases, and how many were as expected."""
    expected = (case.__doc__ or "").splitlines()[0].rstrip(".")
    if name in fault_cases.MOUNTS and not os.environ.get(_INSIDE):
        left_out = "left out: unshare -m is not allowed here"
        return {"fault": name, "cases": 0, "as expected": 0, "expected": left_out}
    found = case(world, some)
    for text in found:
        if text:
            print(f"NOT AS EXPECTED: {name}: {text}", flush=True)
    well = sum(not text for text in found)
    return {
        "fault": name, "cases": len(found), "as expected": well, "expected": expected
    }  # fmt: skip


def _inside() -> None:
    """Go on in a mount namespace of its own, where that is allowed."""
    if _INSIDE in os.environ:
        return
    probe = ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /mnt"]
    try:
        allowed = subprocess.run(probe, capture_output=True).returncode == 0
    except FileNotFoundError:  # not Linux
        allowed = False
    os.environ[_INSIDE] = "yes" if allowed else ""
    if allowed:
        os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])


if __name__ == "__main__":
    _inside()
    sys.argv.append("--check")  # what is not as expected is never well
    sys.exit(harness.main(__doc__, measure, options))
