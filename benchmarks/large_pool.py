"""A run over a million pictures under 2 GB, and what streaming costs.

    python benchmarks/large_pool.py [--rows N] [--folder DIR] [--json FILE] [--check]

Made-up pictures (32x32, ten classes) are written to a folder, 3 GB for a million, and
removed. The first cycle of a run, with all of gmm's stages, is done in a process of its
own that counts pictures and seconds of each stage, and looks at its memory five times
a second. Then 100,000 of them are read by a run that holds them, and by one that does
not, in turn.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import harness
import large_pool_run
import numpy as np
from harness import Floor, Table

GIGABYTES, BESIDE_ROWS, REPEATS = 2.0, 100_000, 3
_BLOCK = 20_000


def options(parser: argparse.ArgumentParser) -> None:
    """How large, and how the script runs itself."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="for the pictures; None: temporary")
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)


def write(folder: Path, rows: int) -> Path:
    """Pictures whose class shows in the brightness of a patch, block by block."""
    folder.mkdir(parents=True)
    for part, num in (("train", rows), ("test", 10_000)):
        generator = np.random.default_rng(num)
        shape = (num, 32, 32, 3)
        images = np.lib.format.open_memmap(
            folder / f"x_{part}.npy", "w+", np.uint8, shape
        )
        labels = generator.integers(0, 10, num)
        for first in range(0, num, _BLOCK):
            own = labels[first : first + _BLOCK]
            block = generator.integers(0, 200, (len(own), *shape[1:]), np.uint8)
            places = 3 * own[:, None] + np.arange(3)
            block[np.arange(len(own))[:, None], places] += 55
            images[first : first + _BLOCK] = block
        images.flush()
        np.save(folder / f"y_{part}.npy", labels)
    return folder


def _in_a_process(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, __file__, "--run", *arguments]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows: list[dict[str, Any]] = json.loads(found.stdout.splitlines()[-1])
    return rows


def measure(arguments: argparse.Namespace) -> list[Table]:
    """The run's stages, and the same pool held and streamed."""
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        root = Path(scratch)
        pool = write(root / "pool", arguments.rows)
        stages = _in_a_process(str(pool), str(root / "run"), str(GIGABYTES))
        small = write(root / "small", min(BESIDE_ROWS, arguments.rows))
        beside = _beside(small, root)
    most = {row["stage"]: [Floor("MB", at_most=1000 * GIGABYTES)] for row in stages}
    least = {row["stage"]: [Floor("streamed / held", at_least=0.9)] for row in beside}
    title = f"gmm over {arguments.rows:,} pictures"
    return [
        Table(title, stages, most, _STAGES_NOTE),
        Table(f"{BESIDE_ROWS:,} pictures, streamed and held", beside, least, _NOTE),
    ]


def _beside(pool: Path, root: Path) -> list[dict[str, Any]]:
    rates: dict[str, dict[str, list[float]]] = {}
    for repeat in range(REPEATS):
        for placement in ("resident", "streamed"):
            folder = str(root / f"{placement}{repeat}")
            for row in _in_a_process(str(pool), folder, "8", placement):
                own = rates.setdefault(row["stage"], {})
                own.setdefault(placement, []).append(row["pictures/s"])
    rows = []
    for stage, found in rates.items():
        held, streamed = (float(np.median(found[name])) for name in found)
        if held and streamed:
            row = {"stage": stage, "held": held, "streamed": streamed}
            rows.append(row | {"streamed / held": streamed / held})
    return rows


_STAGES_NOTE = (
    "The network `small` of width 8, a cycle of reg_da and gmm's query, "
    "`--memory-gb 2`, on all cores. Pictures that pass the network, in a stage's steps "
    "or readouts, and per second of it, compiling included; MB: the most of RssAnon "
    "meanwhile, what the process holds beside mapped files."
)
_NOTE = (
    "Pictures a second, medians of three runs of either kind in turn, the pictures "
    "copied to the device at the start or read from the mapped file as they come."
)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--run"]:
        sys.exit(large_pool_run.main(*given[1:]))
    sys.exit(harness.main(__doc__, measure, options))
