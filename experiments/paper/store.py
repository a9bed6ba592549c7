"""Rows on disk, a table for each world and scale, so that experiments share them.

    OUT/full/cifar10_balanced.csv           rows: no clock in them
    OUT/full/cifar10_balanced.json          settings, data and versions they came by
    OUT/full/cifar10_balanced_seconds.csv   how long it took
    OUT/full/cifar10_balanced_classes.csv   labels of each class, cycle by cycle

Everything is sorted: the same pieces give the same bytes in whichever order they ran.
Rows that came by other settings than the plan's are stale: they are not shown, and the
piece is run again in their place.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import tables
from experiments.beyond.arms import ARMS
from experiments.paper.plan import Task
from experiments.paper.worlds import Form, Scale
from experiments.tables import Row
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

RESULTS = Path(__file__).parent.parent / "results"
"""What is committed."""
Body = dict[str, Any]
Key = tuple[str, str, str]
"""World, arm and seed, as `plan.Task.key`."""


class Done(NamedTuple):
    """A task's outcome.

    Attributes:
      rows: a row a cycle.
      seconds: a row a cycle and stage.
      settings: dotted field -> value, of the arm.
      data: checksum, shapes, classes.
      versions: of software and device.
      classes: a row a cycle, see `beyond.classes`.
    """

    rows: list[Row]
    seconds: list[Row]
    settings: Body
    data: Body
    versions: Body
    classes: list[Row] = []


class Store(NamedTuple):
    """A folder of results.

    Attributes:
      root: of both scales.
      scale: of these.
    """

    root: Path
    scale: Scale

    def path(self, world: str, suffix: str = ".csv") -> Path:
        """A file of a world."""
        return self.root / self.scale / f"{world}{suffix}"

    def worlds(self) -> list[str]:
        """Those that have rows."""
        found = self.path("").parent.glob("*_seconds.csv")
        return sorted(path.name.removesuffix("_seconds.csv") for path in found)

    def rows(self, world: str) -> list[Row]:
        """A world's rows, stale ones among them."""
        return tables.load(self.path(world))

    def seconds(self, world: str) -> list[Row]:
        """Of each stage of a world's pieces."""
        return tables.load(self.path(world, "_seconds.csv"))

    def classes(self, world: str) -> list[Row]:
        """Labels of each class, as `rows`; rows of older programs have none."""
        return tables.load(self.path(world, "_classes.csv"))

    def current(self, form: Form, rows: Sequence[Row]) -> list[Row]:
        """Those of a world's rows that came by the plan's settings.

        Args:
          form: of the world.
          rows: of it, with an arm and a seed.
        """
        found = self._settings(form.key)

        def is_current(row: Row) -> bool:
            key = form.key, row["arm"], row["seed"]
            return found.get(key, "") == _planned(form, row["arm"])

        return [row for row in rows if is_current(row)]

    def about(self, world: str) -> Body:
        """What a world's rows came by.

        Raises:
          UserError: the file is damaged.
        """
        path = self.path(world, ".json")
        if not path.exists():
            return {"data": {}, "settings": {}, "pieces": {}}
        try:
            found: Body = json.loads(path.read_text())
            return {name: found[name] for name in ("data", "settings", "pieces")}
        except (ValueError, KeyError, TypeError):
            remedy = "restore it, or remove the world's files and run it again"
            raise UserError("not a file of settings", str(path), remedy) from None

    def done(self, tasks: Sequence[Task]) -> set[Key]:
        """Keys of those tasks that have rows by the plan's settings.

        Where counts of classes are wanted, those that have counts, too.
        """
        counted = {
            (world, row["arm"], row["seed"])
            for world in _worlds(tasks)
            for row in self.classes(world)
        }
        there = self._recorded(tasks)
        return {
            task.key
            for task in tasks
            if task.key in there
            and there[task.key] == _planned(task.form, task.arm)
            and (not task.counted or task.key in counted)
        }

    def stale(self, tasks: Sequence[Task]) -> set[Key]:
        """Keys of those tasks that have rows, but by other settings than the plan's."""
        there = self._recorded(tasks)
        return {
            task.key
            for task in tasks
            if task.key in there and there[task.key] != _planned(task.form, task.arm)
        }

    def _recorded(self, tasks: Sequence[Task]) -> dict[Key, str]:
        """Of all worlds of the tasks, see `_settings`."""
        found = dict[Key, str]()
        for world in _worlds(tasks):
            found |= self._settings(world)
        return found

    def _settings(self, world: str) -> dict[Key, str]:
        """Pieces with rows -> the digest of their settings; "" where none is kept."""
        pieces, found = self.about(world)["pieces"], dict[Key, str]()
        for row in self.rows(world):
            own = pieces.get(piece_name(row["arm"], row["seed"]), {})
            found[world, row["arm"], row["seed"]] = own.get("settings", "")
        return found

    def add(self, task: Task, found: Done) -> None:
        """Put a task on record, in place of what it has there.

        Old rows are taken off first, and new ones come last, as rows say that it is
        done: a kill between leaves a piece that is run again.

        Raises:
          UserError: the world's rows are of other data.
        """
        world, own = task.form.key, (task.arm, str(task.seed))
        about = self.about(world)
        if about["data"] and about["data"] != found.data:
            remedy = "name another --out, or the data that its rows came by"
            raise UserError("other data than before", str(self.path(world)), remedy)
        _put(self.path(world), own, [])
        text = json.dumps(_joined(about, task, found), indent=1, sort_keys=True) + "\n"
        files.write_atomic(self.path(world, ".json"), text)
        _put(self.path(world, "_seconds.csv"), own, found.seconds)
        _put(self.path(world, "_classes.csv"), own, found.classes)
        _put(self.path(world), own, found.rows)


def _worlds(tasks: Sequence[Task]) -> list[str]:
    """Each once."""
    return list(dict.fromkeys(task.form.key for task in tasks))


@functools.cache
def _planned(form: Form, arm: str) -> str | None:
    """The digest of the settings that an arm would be run by; None: no such arm."""
    # Here, as it brings JAX, which reads the environment that the command sets first.
    from experiments.paper import made

    return digest(made.settings(Task(form, arm, 0))) if arm in ARMS else None


def _joined(about: Body, task: Task, found: Done) -> Body:
    """What a world's rows came by, with a piece; settings of no piece are left out."""
    name = digest(found.settings)
    piece = {"settings": name, "rows": digest(found.rows), "versions": found.versions}
    pieces = about["pieces"] | {piece_name(task.arm, task.seed): piece}
    used = {own["settings"] for own in pieces.values()}
    settings = about["settings"] | {name: found.settings}
    return {
        "data": found.data,
        "settings": {name: own for name, own in settings.items() if name in used},
        "pieces": pieces,
    }


def piece_name(arm: str, seed: int | str) -> str:
    """How the file of settings calls an arm's seed."""
    return f"{arm}, seed {seed}"


def digest(values: Any) -> str:
    """Twelve hexadecimal digits of settings, or of rows."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _put(path: Path, own: tuple[str, str], rows: Sequence[Row]) -> None:
    """Put a piece's rows in place of any that it has there; none: take those off.

    Args:
      path: of the table.
      own: arm and seed.
      rows: of these.
    """
    there = tables.load(path)
    kept = [row for row in there if (row["arm"], row["seed"]) != own]
    if every := sorted([*kept, *rows], key=_order):
        if rows or len(kept) < len(there):
            tables.save(path, every)
    else:
        path.unlink(missing_ok=True)


def _order(row: Row) -> tuple[str, int, int]:
    return row["arm"], int(row["seed"]), int(row["cycle"])
