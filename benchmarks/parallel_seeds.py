"""Whether seeds side by side go as fast as processes that know nothing of each other.

    python benchmarks/parallel_seeds.py [--rounds N] [--json FILE] [--check]
                                        [-- RUN OPTIONS]

Two seeds on digits, on two cores, three ways: two runs of a seed each, held to a core
each; one run with `--parallel-seeds 2`; one run of both, one after the other, on both
cores. What they compile is in a cache before they are timed.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import harness
from harness import Floor, Row, Table

RUN = (
    "--dataset", "digits", "--width", "8", "--reference", "none", "--cycles", "3",
    "--train.steps", "1000", "--checkpoint.every-seconds", "3600",
)  # fmt: skip
"""Some twenty seconds of each seed: what starts and ends them weighs in full."""
SEEDS = (0, 1)
APART, BESIDE, IN_TURN = "two runs, a core each", "--parallel-seeds 2", "in turn"
AS_FAST = Floor("seeds a minute, to two runs'", at_least=0.9)


def options(parser: argparse.ArgumentParser) -> None:
    """How often, and which run."""
    parser.add_argument("--rounds", type=int, default=3, help="of each way")
    parser.add_argument("run", nargs="*", help="options of gmmal run, after --")


def measure(arguments: argparse.Namespace) -> list[Table]:
    """A row for each way."""
    given = (*RUN, *arguments.run)
    with tempfile.TemporaryDirectory() as root:
        home = Path(root)
        ways = {
            APART: lambda more: _apart(home, more),
            BESIDE: lambda more: _together(home, more, "--parallel-seeds", "2"),
            IN_TURN: lambda more: _together(home, more),
        }
        for way in ways.values():
            way((*given, "--cycles", "1"))
        seconds = _timed(ways, given, arguments.rounds)
    title = f"Two seeds: `gmmal run {' '.join(given)}`"
    note = (
        "Seconds of whole processes, start and all; the median of the rounds, and the "
        "least and the most. A core each, runs know nothing of each other: no way of "
        "running seeds side by side can be faster but by using cores that stand idle."
    )
    rows = [_row(name, found, seconds[APART]) for name, found in seconds.items()]
    return [Table(title, rows, {BESIDE: [AS_FAST]}, note)]


def _timed(
    ways: dict[str, Callable[[Sequence[str]], None]],
    given: Sequence[str],
    rounds: int,
) -> dict[str, list[float]]:
    """Seconds of each way, taken in turn, in random order a round."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    order, shuffle = list(ways), random.Random(0).shuffle
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            began = time.perf_counter()
            ways[name](given)
            found[name].append(time.perf_counter() - began)
    return found


def _row(name: str, seconds: list[float], apart: list[float]) -> Row:
    median = statistics.median(seconds)
    return {
        "way": name,
        "seconds": median,
        "least": min(seconds),
        "most": max(seconds),
        "seeds a minute": 60 * len(SEEDS) / median,
        AS_FAST.column: statistics.median(apart) / median,
    }


def _apart(home: Path, given: Sequence[str]) -> None:
    """A process a seed, each held to a core."""
    before = os.sched_getaffinity(0)
    members = []
    try:
        for seed, core in zip(SEEDS, sorted(before), strict=False):
            os.sched_setaffinity(0, {core})
            members.append(_started(home, [*given, "--seeds", str(seed)]))
    finally:
        os.sched_setaffinity(0, before)
    _ended(members)


def _together(home: Path, given: Sequence[str], *more: str) -> None:
    """One run of all seeds."""
    _ended([_started(home, [*given, "--seeds", *map(str, SEEDS), *more])])


def _started(home: Path, given: Sequence[str]) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "JAX_COMPILATION_CACHE_DIR": str(home / "compiled"),
        "JAX_PLATFORMS": "cpu",
    }
    out = tempfile.mkdtemp(dir=home)
    return subprocess.Popen(
        [sys.executable, "-m", "gmmal_jax", "run", "--out", f"{out}/run", *given],
        env=environment,
        cwd=home,
        stdout=subprocess.DEVNULL,
    )


def _ended(members: "Sequence[subprocess.Popen[bytes]]") -> None:
    codes = [member.wait() for member in members]
    if any(codes):
        raise RuntimeError(f"gmmal run ended with codes {codes}")


if __name__ == "__main__":
    if os.cpu_count() == 1:
        raise SystemExit("two cores are needed")
    sys.exit(harness.main(__doc__, measure, options))
