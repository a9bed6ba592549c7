"""`gmmal select` on pools of a million rows: time, its forecast, memory, limits.

    python benchmarks/features.py [--rows N ...] [--folder DIR] [--json FILE] [--check]

Made-up features (768 numbers in float16, ten classes, 1,000 labels) are written to a
folder, 1.5 GB for a million rows, and removed. Whole choices run in processes of their
own, whose memory is looked at five times a second; stages run in a child on one core.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import features_choice
import features_stages
import harness
import selection
from features_peers import ROWS
from harness import Floor, Table

MOST_SECONDS, MOST_MB = 600.0, 4000.0


def options(parser: argparse.ArgumentParser) -> None:
    """How large, and how the script runs itself."""
    sizes = [10_000, 100_000, 1_000_000]
    parser.add_argument("--rows", type=int, nargs="+", default=sizes)
    parser.add_argument("--folder", type=Path, help="for the features; None: temporary")
    parser.add_argument("--stages", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=tuple(ROWS), help=argparse.SUPPRESS)


def measure(arguments: argparse.Namespace) -> list[Table]:
    """Whole choices, and the stages of the largest one."""
    import jax

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        choices, stages = [], []
        for rows in sorted(arguments.rows):
            file = features_choice.write(Path(folder) / str(rows), rows)
            choices.append(features_choice.measured(file, rows))
            print(json.dumps(choices[-1]), file=sys.stderr, flush=True)
        if jax.default_backend() == "cpu" and rows >= features_stages.ROWS:
            stages = harness.on_one_core(__file__, "--stages", str(file))
    beside = [
        {"row": name} | harness.on_one_core(__file__, "--peer", name) for name in ROWS
    ]
    memory = Floor("MB", at_most=MOST_MB)
    told = [Floor("told / took", at_least=0.5), Floor("told / took", at_most=2.0)]
    floors = {f"{rows:,}": [memory, *told] for rows in arguments.rows}
    floors.get(f"{1_000_000:,}", []).append(Floor("seconds", at_most=MOST_SECONDS))
    found = [
        Table("A choice of 1,000 rows among so many", choices, floors, _CHOICE_NOTE),
        Table("Its stages (one core)", stages, note=_STAGE_NOTE),
        Table("Queries that read 100,000 rows of 768 numbers", beside, note=_PEER_NOTE),
    ]
    return [table for table in found if table.rows]


_CHOICE_NOTE = (
    "`gmmal select --budget 1000` with its defaults (reg_da, gmm), by the wall on all "
    "cores, from the start of the process to its end, compiling included; told: the "
    "first estimate that it prints. MB: the most of RssAnon, what the process holds "
    "beside mapped files; bound: what it says it will take at most."
)
_STAGE_NOTE = (
    "Rows a second of one pass, by CPU time, medians, of the first 200,000 rows. % of "
    "limit: the larger of the times that products and reads take at least, at the "
    "largest rate of sgemm and the read bandwidth measured in the same process, as a "
    "share of what the pass took."
)
_PEER_NOTE = (
    "1,000 picks; x: the peer's CPU seconds over ours, on one core, medians, compiling "
    "apart, as in selection.py. Where theirs looks at fewer rows the work is not equal."
)


def _child() -> None:
    """What this script runs in processes of their own."""
    parser = argparse.ArgumentParser()
    options(parser)
    given = parser.parse_args()
    row = ROWS.get(given.peer)
    found = selection.measured(row) if row else features_stages.measured(given.stages)
    print(json.dumps(found))


if __name__ == "__main__":
    if {"--stages", "--peer"} & {*sys.argv}:
        _child()
        sys.exit()
    sys.exit(harness.main(__doc__, measure, options))
