"""How long `gmmal run` takes to start, cold and warm.

    python benchmarks/startup.py [--whole] [--against PYTHON] [--rounds N]
                                 [--json FILE] [--check] [-- RUN OPTIONS]

A cold start has a home folder of its own, so no compiled program is found; the warm
one repeats the command with the same home. By default the digits run is cut to one
cycle and saves after each chunk, whose first checkpoint shows that training steps
are done; `--whole` times the run that a person gets without options. `--against`
runs the same command with another environment's python (an older installation, say),
in turn, and gives the ratios.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import harness
from harness import Floor, Row, Table

SHORT = ("--cycles", "1", "--checkpoint.every-seconds", "0")
MARKS = ("device line", "first steps", "first row", "end")
_ROW = re.compile(r"\s*\d+\s+\d+\s+\d+\s+\S+\s+[\d.]+ %")
WARM = Floor("first steps", at_most=10.0)
WHOLE = Floor("end, ratio", at_least=2.0)


def options(parser: argparse.ArgumentParser) -> None:
    """Which run, and beside which other."""
    parser.add_argument("--whole", action="store_true", help="the run without options")
    parser.add_argument("--against", type=Path, help="another environment's python")
    parser.add_argument("--rounds", type=int, default=1, help="homes of each")
    parser.add_argument("run", nargs="*", help="options of gmmal run, after --")


def measure(arguments: argparse.Namespace) -> list[Table]:
    """A row for each start, cold and warm, of one or two environments."""
    given = tuple(arguments.run) or (() if arguments.whole else SHORT)
    pythons = {"this": Path(sys.executable)}
    if arguments.against:
        pythons["other"] = arguments.against
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    for turn in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as root:
            for start in ("cold", "warm"):
                # In turn, so that a busy minute does not hit one of them alone.
                for name in sorted(pythons, reverse=turn % 2 == 0):
                    times = _start(pythons[name], Path(root) / name, start, given)
                    found.setdefault((start, name), []).append(times)
    rows = [
        _row(start, name, runs, found.get((start, "other")))
        for (start, name), runs in sorted(found.items())
    ]
    floors = {"warm, this": [WARM, WHOLE] if arguments.whole else [WARM]}
    if arguments.whole:
        floors["cold, this"] = [WHOLE]
    title = f"`gmmal run {' '.join(given)}`".replace(" `", "`")
    note = (
        "Seconds from the start of the process; the fastest of its homes. First steps: "
        "the first chunk of training steps is done, seen by its checkpoint (not seen "
        "before a stage's end where chunks are not saved). Ratio: the other "
        "environment's seconds over this one's."
    )
    return [Table(title, rows, floors, note)]


def _row(
    start: str,
    name: str,
    runs: list[dict[str, float]],
    other: list[dict[str, float]] | None,
) -> Row:
    row: Row = {"start": f"{start}, {name}"}
    for mark in MARKS:
        seconds = [run[mark] for run in runs if mark in run]
        row[mark] = min(seconds) if seconds else None
    if name == "this" and other:
        theirs = min(run["end"] for run in other)
        row["end, ratio"] = theirs / row["end"]
    return row


def _start(
    python: Path, home: Path, start: str, given: Sequence[str]
) -> dict[str, float]:
    """Run once; seconds to each mark."""
    home.mkdir(parents=True, exist_ok=True)
    folder = home / f"run-{start}"
    environment = os.environ | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "JAX_COMPILATION_CACHE_DIR": str(home / "compiled"),
        "PYTHONUNBUFFERED": "1",
    }
    if python != Path(sys.executable):
        environment.pop("PYTHONPATH", None)
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(python), "-m", "gmmal_jax", "run", "--out", str(folder), *given],
        env=environment,
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
    )
    times: dict[str, float] = {}
    ended = threading.Event()
    saves = "--checkpoint.every-seconds" in given
    watcher = threading.Thread(target=_watch, args=(folder, began, times, ended))
    if saves:
        watcher.start()
    assert process.stdout is not None
    for line in process.stdout:
        now = time.perf_counter() - began
        times.setdefault("device line", now)
        if _ROW.match(line):
            times.setdefault("first row", now)
    code = process.wait()
    times["end"] = time.perf_counter() - began
    ended.set()
    if saves:
        watcher.join()
    if code:
        raise RuntimeError(f"{python}: gmmal run ended with code {code}")
    return times


def _watch(
    folder: Path, began: float, times: dict[str, float], ended: threading.Event
) -> None:
    """Note when the first checkpoint of the run is begun."""
    while not ended.wait(0.02):
        if next(folder.rglob("phase-*"), None) is not None:
            times["first steps"] = time.perf_counter() - began
            return


if __name__ == "__main__":
    sys.exit(harness.main(__doc__, measure, options))
