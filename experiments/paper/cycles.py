"""Tasks a cycle at a time, each from the labeled indices on record.

For machines that are lent by the minute: a piece is one cycle of a task, and all that
the next one needs of it are the rows that it asked for. One small file keeps these and
what the store will have of the cycles that are done; it is carried from machine to
machine. Tasks with all their cycles go to the store:

    python -m experiments.paper.cycles [FILE] [--out DIR]

The pieces are Random and the paper's method on balanced CIFAR-10, two of Table 5's
arms; `benchmarks/on_gpu.py --only cycles` runs them.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments import jobs
from experiments.paper import made, published, work, worlds
from experiments.paper.experiment import SEEDS
from experiments.paper.kept import Kept, joined, load, save
from experiments.paper.plan import Task
from experiments.paper.store import RESULTS, Body, Done, Key, Store, piece_name
from experiments.paper.worlds import Form, World
from experiments.tables import Row
from gmmal_jax import bind, loop, opening
from gmmal_jax.errors import Interrupted, TrainingDiverged, UserError
from gmmal_jax.storage import files
from gmmal_jax.storage.records import Record

KEPT = RESULTS / "full" / "cycles.npz"
"""What is committed."""
ARMS = ("random", "gmm")
Left = Callable[[], float]


class Piece(NamedTuple):
    """One cycle of a task.

    Attributes:
      task: whose.
      cycle: from 0.
    """

    task: Task
    cycle: int

    @property
    def name(self) -> str:
        """In lines of progress."""
        return f"{piece_name(self.task.arm, self.task.seed)}, cycle {self.cycle}"

    @property
    def work(self) -> float:
        """Pictures in steps that take as long."""
        before = made.work(self.task, self.cycle) if self.cycle else 0.0
        return made.work(self.task, self.cycle + 1) - before


class Ended(NamedTuple):
    """What a call did.

    Attributes:
      rows: of the cycles that it ran.
      left: how many pieces have no row yet.
      failed: a line for each task whose training did not end.
    """

    rows: list[Row]
    left: int
    failed: list[str]


def planned() -> list[Task]:
    """Random and the paper's method at the paper's configuration."""
    form = worlds.form(World("cifar10"), "full", True)
    return [Task(form, arm, seed) for seed in range(SEEDS) for arm in ARMS]


def left(tasks: Sequence[Task], kept: dict[Key, Kept]) -> list[Piece]:
    """Pieces without a row: by seed, then by cycle, arms in turn.

    Args:
      tasks: wanted.
      kept: what is on record.
    """
    found = [
        Piece(task, cycle)
        for task in tasks
        for cycle in range(_num_done(task, kept), task.config.cycles)
    ]
    return sorted(found, key=lambda piece: (piece.task.seed, piece.cycle))


def _num_done(task: Task, kept: dict[Key, Kept]) -> int:
    return len(kept[task.key].done.rows) if task.key in kept else 0


def missing(
    tasks: Sequence[Task],
    data: Path | None,
    path: Path,
    folder: Path,
    seconds_left: Left,
    say: Callable[[str], None] = print,
) -> Ended:
    """Run what has no row until nothing is left, or no time for the next piece.

    Whether there is time is told by the latest cycle of the same arm on the same
    device: as many times as long as there is more to do. A piece that is stopped all
    the same is run anew by the next call; those before it are on record.

    Args:
      tasks: wanted.
      data: the folder of pictures.
      path: of the record; written after each piece.
      folder: for what is not kept; empty.
      seconds_left: until the call has to end.
      say: takes lines of progress.

    Raises:
      UserError: the record is damaged, or of other settings or data.
    """
    kept, rows, failed = load(path), list[Row](), dict[Key, str]()
    with contextlib.ExitStack() as opened:
        runs = _Runs(tasks, data, folder, opened)
        while pieces := [p for p in left(tasks, kept) if p.task.key not in failed]:
            piece, key = pieces[0], pieces[0].task.key
            run, came_by = runs.of(piece.task)
            wanted = _expected(piece, kept, came_by["versions"]["device"])
            if seconds_left() < wanted:
                say(f"no time for {piece.name}: about {wanted:.0f} s")
                break
            say(f"{piece.name} ({len(pieces)} left)")
            try:
                record = _run(piece, run, kept.get(key), seconds_left)
            except Interrupted:
                say(f"stopped within {piece.name}")
                break
            except TrainingDiverged as error:
                failed[key] = f"{piece.name}: {error}"
                continue
            done = _done(piece, run, record, came_by)
            kept[key] = joined(kept.get(key), done, record)
            save(path, kept)
            rows += done.rows
    return Ended(rows, len(left(tasks, kept)), list(failed.values()))


class _Runs:
    """The runs of arms, opened when they are first wanted: programs compile once.

    Args:
      tasks: of the arms.
      data: the folder of pictures.
      folder: of the runs.
      opened: closes them.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        data: Path | None,
        folder: Path,
        opened: contextlib.ExitStack,
    ) -> None:
        self.seeds = tuple(sorted({task.seed for task in tasks}))
        self.data, self.folder, self.opened = data, folder, opened
        self.found: dict[tuple[str, str], tuple[bind.Run, Body]] = {}

    def of(self, task: Task) -> tuple[bind.Run, Body]:
        """The run of a task's arm, and what its cycles come by."""
        key = task.form.key, task.arm
        if key not in self.found:
            config = work.config(task, self.seeds, self.data, self.folder)
            folder = work.job_of(task, self.seeds).folder(self.folder)
            where = opening.opened(config, folder, 1)
            run = self.opened.enter_context(where).run
            self.found[key] = run, _came_by(run, task.form)
        return self.found[key]


def _run(piece: Piece, run: bind.Run, own: Kept | None, seconds_left: Left) -> Record:
    def stop() -> int | None:
        return signal.SIGALRM if seconds_left() < 0 else None

    asked = own.asked if own else []
    return loop.one_cycle(run, piece.task.seed, asked, stop=stop)


def _done(piece: Piece, run: bind.Run, record: Record, came_by: Body) -> Done:
    rows = jobs.rows(work.job_of(piece.task, (piece.task.seed,)), run, [record])
    return work.outcome(piece.task, rows, [record], came_by)


def _came_by(run: bind.Run, form: Form) -> Body:
    sums = published.of(form, run.dataset)
    return work.about(bind.described(run.arms[0], run.dataset), sums)


def _expected(piece: Piece, kept: dict[Key, Kept], device: str) -> float:
    """Seconds, by the latest cycle of the arm on the device; 0: there is none."""
    seconds = 0.0
    for (world, arm, _), own in kept.items():
        known = world, arm, own.done.versions["device"]
        if known == (piece.task.form.key, piece.task.arm, device):
            *_, last = (row for row in own.done.seconds if row["stage"] == "total")
            like = piece._replace(cycle=int(last["cycle"]))
            seconds = float(last["seconds"]) * piece.work / like.work
    return seconds


def collect(path: Path, out: Path, say: Callable[[str], None] = print) -> None:
    """Put tasks with all their cycles into the store; what is there stays.

    Cycles of other settings than the plan's are left where they are.

    Args:
      path: of the record.
      out: the folder of results.
      say: takes a line a task.

    Raises:
      UserError: there is no record, or it is of other data than the store's rows.
    """
    kept, store = load(path), Store(out, "full")
    if not kept:
        raise UserError("no record of cycles", str(path), "docs/gpu.md has the command")
    there = store.done(planned())
    for task in planned():
        num = _num_done(task, kept)
        state = f"{num} of {task.config.cycles} cycles"
        if task.key in there:
            state = "there already"
        elif num and kept[task.key].done.settings != made.settings(task):
            state += ", of other settings"
        elif num == task.config.cycles:
            store.add(task, kept[task.key].done)
            state = "added"
        say(f"{piece_name(task.arm, task.seed)}: {state}")


def main(argv: Sequence[str] | None = None) -> int:
    """Put what is whole into the store; 2 where it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.paper.cycles",
        description="Put tasks with all their cycles among the results.",
    )
    parser.add_argument("file", type=Path, nargs="?", default=KEPT, help="the record")
    parser.add_argument("--out", type=Path, default=RESULTS, help="rows and pages")
    args = parser.parse_args(argv)
    try:
        with files.lock(args.out):
            collect(args.file, args.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
