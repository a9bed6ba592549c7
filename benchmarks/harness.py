"""What the benchmarks share: interleaved timing, pinned children, tables, floors.

A benchmark is a script with a function `measure(arguments) -> list[Table]` that ends
in `sys.exit(harness.main(__doc__, measure))`. Rows are dictionaries of column ->
value; a floor stands in the row's case, so it is written once.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax.report import markdown as markdowns
from gmmal_jax.storage import files, run_folder

Row = dict[str, Any]
_PACKAGES = (
    "gmmal_jax", "jax", "jaxlib", "flax", "numpy", "scikit-learn", "torch", "gmmx",
    "torchgmm", "scikit-activeml", "lightly-mundig",
)  # fmt: skip
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Sample(NamedTuple):
    """Seconds of one contender: medians, and its first call (with compilation)."""

    wall: float
    cpu: float
    first: float


class Floor(NamedTuple):
    """What a column of a row must reach: at least, or at most, a value."""

    column: str
    at_least: float | None = None
    at_most: float | None = None

    def missed(self, row: Row) -> str | None:
        """Say how the row falls short; None if it does not, or was not measured."""
        value = row.get(self.column)
        if value is None:
            return None
        if self.at_least is not None and not value >= self.at_least:
            return f"{self.column} is {value:.4g}, floor {self.at_least:g}"
        if self.at_most is not None and not value <= self.at_most:
            return f"{self.column} is {value:.4g}, at most {self.at_most:g} allowed"
        return None


class Table(NamedTuple):
    """Rows of one kind.

    Attributes:
      title: what is compared.
      rows: column -> value; the first column names the case.
      floors: case -> what its row must reach.
      note: how to read it.
    """

    title: str
    rows: list[Row]
    floors: Mapping[str, Sequence[Floor]] = {}
    note: str = ""

    def shortfalls(self) -> list[str]:
        """A line for each floor that a row misses."""
        lines = []
        for row in self.rows:
            case = str(next(iter(row.values())))
            for floor in self.floors.get(case, ()):
                missed = floor.missed(row)
                if missed:
                    lines.append(f"{self.title}: {case}: {missed}")
        return lines


def interleaved(
    contenders: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, Sample]:
    """Time contenders in turn, in random order a round; each must block until done.

    The first call of each is timed apart: it compiles.
    """
    first = {name: timed(call)[0] for name, call in contenders.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    order, shuffle = list(contenders), random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            times[name].append(timed(contenders[name])[:2])
    return {
        name: Sample(
            statistics.median(wall for wall, _ in pairs),
            statistics.median(cpu for _, cpu in pairs),
            first[name],
        )
        for name, pairs in times.items()
    }


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds by the wall and of the process's CPU, and what the call returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def on_one_core(script: str, *arguments: str) -> Any:
    """Run a script in a child that sees one core and one thread; its last line's JSON.

    On a busy machine CPU seconds of a single thread are the steadiest figure.
    """
    environment = os.environ | dict.fromkeys(_THREADS, "1")
    with _pinned():
        done = subprocess.run(
            [sys.executable, script, *arguments],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _pinned() -> Iterator[None]:
    """Keep this thread on one core, and so the children it starts.

    The last core, as the first one often serves the interrupts.
    """
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def environment() -> dict[str, Any]:
    """Versions, device and threads: what figures depend on."""
    import jax

    from gmmal_jax.cli import doctor

    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    device = jax.devices()[0]
    on_cpu = device.platform == "cpu"
    ours = doctor.processor()
    return {
        "platform": device.platform,
        "device": ours.model if on_cpu else device.device_kind,
        "vectors": list(ours.vectors) if on_cpu else [],
        "cores": run_folder.cores(),
        "python": platform.python_version(),
        "versions": versions,
    }


def markdown(table: Table) -> str:
    """The table as Markdown."""
    columns = list(dict.fromkeys(name for row in table.rows for name in row))
    lines = [[_cell(row.get(name)) for name in columns] for row in table.rows]
    parts = [f"### {table.title}", markdowns.table([columns, *lines])]
    return "\n\n".join([*parts, table.note] if table.note else parts)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value)
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e6):
        return f"{value:.1e}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def main(
    doc: str | None,
    measure: Callable[[argparse.Namespace], list[Table]],
    options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Parse options, measure, print; 1 if `--check` finds a row below its floor."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where a floor is missed"
    )
    if options:
        options(parser)
    arguments = parser.parse_args()
    tables = measure(arguments)
    for table in tables:
        print(markdown(table), flush=True)
        print()
    missed = [line for table in tables for line in table.shortfalls()]
    for line in missed:
        print(f"below its floor: {line}", flush=True)
    if arguments.json:
        write_json(
            arguments.json,
            {
                "benchmark": Path(sys.argv[0]).stem,
                "environment": environment(),
                "tables": [
                    {"title": t.title, "note": t.note, "rows": t.rows} for t in tables
                ],
                "missed": missed,
            },
        )
    return 1 if arguments.check and missed else 0


def write_json(path: Path, body: object) -> None:
    """Write a file whole or not at all."""
    files.write_atomic(path, json.dumps(body, indent=2) + "\n")
