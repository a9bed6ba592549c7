"""Is what was killed with -9 and gone on with equal to what was not?

    python benchmarks/kill_and_resume.py [--json FILE]
    python benchmarks/kill_and_resume.py --moments 50
    python benchmarks/kill_and_resume.py --learners [METHOD ...]

Runs digits with a network of width 4 once whole, then once for each stage of a cycle:
a child process kills itself with SIGKILL inside that stage, at a moment that is drawn
from all that there are (calls, or lines that write or score) and named; `gmmal resume`
goes on in a new process, and the tables of method and reference are compared byte for
byte. With --learners the stages are the phases of each method that trains in its own
way (or of those named), and the kill comes in the second cycle, so that what was
carried over from the first is there. With --moments the kills are that many, over all
stages in turn, of a run of features without reference, which starts in seconds; and two
commands that write much join the stages: `gmmal datasets pack` of an npz, and `gmmal
embed` of PNG files. They are given again, and every file is compared. Exit code 1 if
any differs or a child did not die of the signal.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import fault_world
import harness
import kill_children
import kill_inputs
from harness import Floor, Row, Table
from kill_children import COMMANDS, COUNT, STAGES
from table_differences import VIEWS

OPTIONS = [
    "--width", "4", "--cycles", "2", "--train.steps", "40", "--train.chunk-steps",
    "10", "--da.steps", "40", "--da.refit-every", "20", "--da.hidden", "32",
    "--checkpoint.every-seconds", "0",
]  # fmt: skip

FEATURES = (
    "--cycles 3 --initial 8 --budget 8 --train.steps 40 --train.chunk-steps 10 "
    "--train.batch-size 8 --da.batch-size 8 --da.steps 40 --da.refit-every 20 "
    "--da.hidden 8 --width 4 --reference none --checkpoint.every-seconds 0"
).split()


class Subject(NamedTuple):
    """A command that is killed.

    Attributes:
      words: folder -> of the command line, behind `gmmal`.
      again: folder -> of the one that goes on.
      written: folder -> the contents that have to be equal.
    """

    words: Callable[[Path], list[str]]
    again: Callable[[Path], list[str]]
    written: Callable[[Path], dict[str, bytes]]


def running(options: Sequence[str]) -> Subject:
    """`gmmal run`, and what is compared of it."""
    return Subject(
        lambda folder: ["run", "--out", str(folder), *options],
        lambda folder: ["resume", str(folder)],
        tables,
    )


def writing(words: Callable[[Path], list[str]]) -> Subject:
    """A command that goes on when it is given again."""
    return Subject(words, words, contents)


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the lock."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name != ".lock"
    }


def tables(folder: Path) -> dict[str, bytes]:
    """Contents of the deterministic tables of both arms."""
    places = (folder, folder / "reference")
    return {
        f"{place.name}/{view}": (place / view).read_bytes()
        for place in places
        if place.exists()
        for view in VIEWS
    }


def attempt(subject: Subject, moment: str, place: Path, whole: dict[str, bytes]) -> Row:
    """Kill at a moment, go on, compare."""
    folder, log = place / "run", place / "log.txt"
    code = kill_children.run(moment, subject.words(folder), log)
    said = [x for x in log.read_text().splitlines() if x.startswith("killed in")]
    finished(subject.again(folder), place / "again.txt")
    stage = moment.split(",")[0]
    return {
        "stage": stage,
        "hit": said[0] if said else f"{stage}: not hit",
        "killed": code == -signal.SIGKILL and bool(said),
        "equal": subject.written(folder) == whole,
    }


def finished(words: Sequence[str], log: Path, moment: str = "") -> None:
    """Give a command and insist that it ends well, or had already."""
    code = kill_children.run(moment, words, log)
    if code and "holds packed data" not in log.read_text():
        raise SystemExit(
            f"gmmal {' '.join(words)} ended with {code}: {log.read_text()}"
        )


def attempts(subject: Subject, stages: Sequence[str], drawn: bool = True) -> list[Row]:
    """Compare at a moment of each stage, and print a line for each.

    Args:
      subject: what is killed.
      stages: in turn.
      drawn: the moment of a stage is drawn from all; else the stages are phases.
    """
    generator = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        root, rows = Path(name), []
        log = root / "whole/log.txt"
        finished(subject.words(root / "whole/run"), log, COUNT)
        whole = subject.written(root / "whole/run")
        counts = json.loads(log.with_suffix(".json").read_text())
        for number, stage in enumerate(stages):
            call = f",{generator.randint(1, counts[stage])}" if drawn else ""
            row = attempt(subject, stage + call, root / str(number), whole)
            verdict = "byte-identical" if row["equal"] else "DIFFERENT"
            print(f"{row['hit']}: {verdict}", flush=True)
            rows.append(row)
    return rows


def at_random(number: int, root: Path) -> list[Row]:
    """Kill packs, embeddings and runs at so many moments, the stages in turn."""
    turn = [*COMMANDS, *STAGES]
    stages = [turn[i % len(turn)] for i in range(number)]
    data = fault_world.features(root / "features.npz")
    rows = attempts(writing(kill_inputs.pack(root)), [x for x in stages if x == "pack"])
    rows += attempts(
        writing(kill_inputs.embed(root)), [x for x in stages if x == "embed"]
    )
    running_features = running([*FEATURES, "--dataset", data])
    return rows + attempts(running_features, [x for x in stages if x in STAGES])


def phases(method: str) -> tuple[str, ...]:
    """Of the learner that trains for a method, with what its query adds."""
    from gmmal_jax import bind
    from gmmal_jax.cli import run

    options = _options(method)
    prepared = bind.prepare(run.parse_run(options), Path("nowhere"))
    return tuple(phase.name for phase in prepared.arms[-1].method.learner.phases)


def trained_alike() -> list[str]:
    """The first method of each way to train."""
    from gmmal_jax import methods

    first: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, entry in methods.METHODS.items():
        first.setdefault((entry.learner, phases(name)), name)
    alone = {entry.learner for entry in methods.METHODS.values()}
    return [*first.values(), *(x for x in methods.LEARNERS if x not in alone)]


def _options(name: str) -> list[str]:
    """Of a method, or of a learner that is no method's, with random choice."""
    from gmmal_jax import methods

    known = name in methods.METHODS or name in methods.ALIASES
    chosen = ["--method", name] if known else ["--learn", name, "--query", "random"]
    return [*OPTIONS, *chosen, "--reference", "none"]


def summary(rows: Sequence[Row]) -> Table:
    """A row a stage: its kills, and how many were as if they had not been."""
    found: dict[str, Row] = {}
    for row in rows:
        own = found.setdefault(
            row["stage"], {"killed in": row["stage"], "kills": 0, "byte-identical": 0}
        )
        own["kills"] += 1
        own["byte-identical"] += bool(row["killed"] and row["equal"])
    floors = {
        stage: [Floor("byte-identical", at_least=own["kills"])]
        for stage, own in found.items()
    }
    note = f"{sum(own['byte-identical'] for own in found.values())} of {len(rows)} "
    note += "byte-identical: tables of the run, every file of pack and embed."
    return Table("Killed with -9 and gone on with", [*found.values()], floors, note)


def options(parser: argparse.ArgumentParser) -> None:
    """What is killed."""
    parser.add_argument("--learners", nargs="*", metavar="METHOD")
    parser.add_argument("--moments", type=int)


def measure(args: argparse.Namespace) -> list[Table]:
    """Compare, and print a line for each kill."""
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "compiled").mkdir()
        kill_children.prepare(Path(root) / "compiled")
        if args.moments:
            rows = at_random(args.moments, Path(root))
        elif args.learners is None:
            rows = attempts(running(OPTIONS), list(STAGES))
        else:
            rows = []
            for name in args.learners or trained_alike():
                print(f"{name}:", flush=True)
                rows += attempts(running(_options(name)), phases(name), drawn=False)
    well = sum(bool(row["equal"] and row["killed"]) for row in rows)
    print(f"{well} of {len(rows)} byte-identical")
    return [summary(rows)]


if __name__ == "__main__":
    sys.argv.append("--check")  # a difference is never well
    sys.exit(harness.main(__doc__, measure, options))
