"""Queries against what people use, and against the machine's limits.

    python benchmarks/selection.py [--only ROW ...] [--json FILE] [--check]

Both sides get the same latents, labels, classifier and budget, in float32, and do equal
work: as many picks, clusters and iterations. Each row runs in a child on one core, in
CPU seconds, ours and the peer's in turn; on an accelerator ours runs alone, in wall
seconds. A row whose strategy or peer is missing says why.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import em
import harness
import selection_peers
import selection_rows
from harness import Floor, Row, Table
from selection_rows import ROWS, Case, Contest

FLOORS = {
    "coreset": 3.0,
    "badge": 20.0,
    "typiclust": 1.5,
    "probcover": 10.0,
    "four_ds": 5.0,
    "dropquery": 1.0,
    "kmeans": 2.0,
    "lloyd": 0.75,
    "k_center": 0.7,
    "typicality": 5.0,
    "alfa_mix": 1.0,
    "core_gcn_dense": 5.0,
}
MOST_MB = 1000.0
_ROUNDS = 3
_LONG, _LONGEST = 4.0, 30.0
"""Calls of so many seconds are made once; of so many, with compiling."""
NOTE = (
    "x: the peer's seconds over ours; medians, compilation apart, a call of more than "
    "4 s made once, one of more than 30 s with its compilation. Limit: products or "
    "reads that the work has to do, whichever takes longer at the largest rate of "
    "sgemm and the read bandwidth measured in the same process. MB: the most that the "
    "first call takes beyond what the process holds before it, compiling included; the "
    "peer's comes second and may reuse some."
)


def options(parser: argparse.ArgumentParser) -> None:
    """Which rows, and how the script runs itself."""
    parser.add_argument("--only", nargs="+", choices=tuple(ROWS), default=tuple(ROWS))
    parser.add_argument("--child", choices=tuple(ROWS), help=argparse.SUPPRESS)


def measure(arguments: argparse.Namespace) -> list[Table]:
    """Rows with a peer, and rows of ours alone."""
    import jax

    on_cpu = jax.default_backend() == "cpu"
    rows: dict[bool, list[Row]] = {True: [], False: []}
    for name in arguments.only:
        row = harness.on_one_core(__file__, "--child", name) if on_cpu else None
        row = {"row": name} | (row or measured(ROWS[name]))
        print(json.dumps(row), file=sys.stderr, flush=True)  # a table takes minutes
        rows[name in FLOORS].append(row)
    memory = Floor("MB", at_most=MOST_MB)
    floors = {name: [Floor("x", least), memory] for name, least in FLOORS.items()}
    others = {name: [memory] for name in ROWS if name not in FLOORS}
    tables = [
        Table("Queries beside others'", rows[True], floors, NOTE),
        Table("Queries of more rows and more classes", rows[False], others, NOTE),
    ]
    return [table for table in tables if table.rows]


def measured(row: Case) -> Row:
    """A row: seconds of both sides, shares of the limits, memory."""
    told: Row = {"what": row.what}
    missing = selection_rows.missing(row)
    if missing:
        return told | {"skipped": missing}
    contest = row.build()
    theirs, reason = selection_peers.ready(contest.theirs)
    seconds, found = _in_turn(contest, theirs)
    told |= {"ours s": seconds["ours"], "compile s": found["compile"]}
    if contest.theirs is not None:
        their = seconds.get("theirs")
        told |= {
            "peer": contest.peer,
            "theirs s": their,
            "x": their / seconds["ours"] if their else None,
            "their MB": found.get("theirs"),
            "skipped": reason,
        }
    return told | {"MB": found.get("ours")} | _limits(contest, seconds["ours"])


def _in_turn(
    contest: Contest, theirs: Callable | None
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds, and most memory, of each side; ours once more before."""
    import jax

    clock = 1 if jax.default_backend() == "cpu" else 0
    found: dict[str, float] = {}
    with _watched(found, "ours"):
        first = harness.timed(contest.ours)[clock]
    sides = {"ours": contest.ours, "theirs": theirs}
    times: dict[str, list[float]] = {side: [] for side, call in sides.items() if call}
    if first > _LONGEST:
        times["ours"].append(first)
    for _ in range(_ROUNDS):
        for side, before in times.items():
            if any(seconds > _LONG for seconds in before):
                continue
            # Memory that was used once stays with the process: later calls show none.
            with _watched({} if side in found else found, side):
                before.append(harness.timed(sides[side])[clock])
    seconds = {side: statistics.median(t) for side, t in times.items()}
    return seconds, found | {"compile": max(0.0, first - seconds["ours"])}


class _watched:
    """The most memory, in MB, that a block takes beyond what is held before it."""

    _RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")

    def __init__(self, into: dict[str, float], name: str) -> None:
        self.into, self.name = into, name

    def __enter__(self) -> None:
        if self._RESET.exists():
            self._RESET.write_text("5")  # the high-water mark falls to what is held now
            self.before = self._kilobytes("VmRSS")

    def __exit__(self, *_: object) -> None:
        if not self._RESET.exists():  # not on Linux
            return
        taken = (self._kilobytes("VmHWM") - self.before) / 1024
        self.into[self.name] = taken

    def _kilobytes(self, field: str) -> int:
        lines = self._STATUS.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _limits(contest: Contest, seconds: float) -> Row:
    """The larger of the times that products and reads take at least, where known."""
    if not contest.flops and not contest.read_bytes:
        return {}
    machine = em.limits()
    calls = {name: call for name, (call, _) in machine.items()}
    samples = harness.interleaved(calls, rounds=3)
    rate = {name: machine[name][1] / samples[name].cpu for name in machine}
    least: Mapping[str, float] = {
        "products": contest.flops / max(rate["XLA"], rate["NumPy"]),
        "reads": contest.read_bytes / rate["read"],
    }
    rules = max(least, key=lambda name: least[name])
    return {
        "limit": rules,
        "limit s": least[rules],
        "% of limit": 100 * least[rules] / seconds,
    }


if __name__ == "__main__":
    if "--child" in sys.argv:
        parser = argparse.ArgumentParser()
        options(parser)
        print(json.dumps(measured(ROWS[parser.parse_args().child])))
        sys.exit()
    sys.exit(harness.main(__doc__, measure, options))
