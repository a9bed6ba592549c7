"""Is what was killed with -9 and gone on with equal to what was not?

    python benchmarks/kill_and_resume.py [--json FILE]
    python benchmarks/kill_and_resume.py --moments 50
    python benchmarks/kill_and_resume.py --learners [METHOD ...]

Runs digits with a network of width 4 once whole, then once for each stage of a cycle:
a child process kills itself with SIGKILL inside that stage, which it names, `gmmal
resume` goes on in a new process, and the tables of method and reference are compared
byte for byte. With --learners the stages are the phases of each method that trains in
its own way (or of those named), and the kill comes in the second cycle, so that what
was carried over from the first is there. With --moments the kills are that many, of a run
without reference over all stages in turn, each before or after a call of the stage's function that is drawn
from all of its calls; and two commands that write much join the stages: `gmmal datasets
pack` of an npz, and `gmmal embed` of PNG files. They die before a line drawn from all
that are executed where their files are written, are given again, and every file is
compared. Exit code 1 if any differs or a child did not die of the signal.
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

import harness
import kill_children
import kill_inputs
from harness import Floor, Row, Table
from kill_children import COUNT, LINES, STAGES
from table_differences import VIEWS

OPTIONS = [
    "--width", "4", "--cycles", "2", "--train.steps", "40", "--train.chunk-steps",
    "10", "--da.steps", "40", "--da.refit-every", "20", "--da.hidden", "32",
    "--checkpoint.every-seconds", "0",
]  # fmt: skip
_WRITES = ("checkpoint write", "record write", "tables")
"""Stages whose function dies before its work: after it nothing is half done."""


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


def attempt(subject: Subject, moment: str, root: Path, whole: dict[str, bytes]) -> Row:
    """Kill at a moment, go on, compare."""
    place = root / moment.replace(" ", "-").replace(",", "-")
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


def attempts(subject: Subject, moments: Sequence[str]) -> list[Row]:
    """Compare at all moments, and print a line for each."""
    with tempfile.TemporaryDirectory() as name:
        root, rows = Path(name), []
        finished(subject.words(root / "whole/run"), root / "whole/log.txt")
        whole = subject.written(root / "whole/run")
        for moment in moments:
            row = attempt(subject, moment, root, whole)
            verdict = "byte-identical" if row["equal"] else "DIFFERENT"
            print(f"{row['hit']}: {verdict}", flush=True)
            rows.append(row)
    return rows


def drawn(number: int, counts: dict[str, int]) -> list[str]:
    """So many moments, the stages in turn, each in a call drawn at random."""
    generator, stages = random.Random(0), [*LINES, *STAGES]
    moments = []
    for i in range(number):
        stage = stages[i % len(stages)]
        call = generator.randint(1, counts[stage])
        before = stage in _WRITES or stage in LINES
        when = "before" if before else generator.choice(["before", "after"])
        moments.append(f"{stage},{call},{when}")
    return moments


def at_random(number: int, root: Path) -> list[Row]:
    """Kill runs, packs and embeddings at so many moments."""
    subjects = {
        "run": running([*OPTIONS, "--reference", "none"]),
        "pack": writing(kill_inputs.pack(root)),
        "embed": writing(kill_inputs.embed(root)),
    }
    counts: dict[str, int] = {}
    for name, subject in subjects.items():
        log = root / f"count-{name}/log.txt"
        finished(subject.words(log.parent / "run"), log, COUNT)
        counts |= json.loads(log.with_suffix(".json").read_text())
    rows = []
    moments = drawn(number, counts)
    for name, subject in subjects.items():
        own = [m for m in moments if name == _subject(m.split(",")[0])]
        rows += attempts(subject, own)
    return rows


def _subject(stage: str) -> str:
    return stage if stage in LINES else "run"


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
                rows += attempts(running(_options(name)), phases(name))
    well = sum(bool(row["equal"] and row["killed"]) for row in rows)
    print(f"{well} of {len(rows)} byte-identical")
    return [summary(rows)]


if __name__ == "__main__":
    sys.argv.append("--check")  # a difference is never well
    sys.exit(harness.main(__doc__, measure, options))
