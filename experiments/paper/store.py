"""Rows on disk, a table for each world and scale, so that experiments share them.

    OUT/full/cifar10_balanced.csv           rows: no clock in them
    OUT/full/cifar10_balanced.json          settings, data and versions they came by
    OUT/full/cifar10_balanced_seconds.csv   how long it took
    OUT/full/cifar10_balanced_classes.csv   labels of each class, cycle by cycle

Everything is sorted: the same pieces give the same bytes in whichever order they ran.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import tables
from experiments.paper.plan import Task
from experiments.paper.worlds import Scale
from experiments.tables import Row
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

RESULTS = Path(__file__).parent.parent / "results"
"""What is committed."""
Body = dict[str, Any]


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
        """A world's rows."""
        return tables.load(self.path(world))

    def seconds(self, world: str) -> list[Row]:
        """Of each stage of a world's pieces."""
        return tables.load(self.path(world, "_seconds.csv"))

    def classes(self, world: str) -> list[Row]:
        """Labels of each class; rows of older programs have none."""
        return tables.load(self.path(world, "_classes.csv"))

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

    def done(self, tasks: Sequence[Task]) -> set[tuple[str, str, str]]:
        """Keys of those tasks that have rows, and counts where they are wanted."""
        run, counted = set[tuple[str, str, str]](), set[tuple[str, str, str]]()
        for world in dict.fromkeys(task.form.key for task in tasks):
            run |= {(world, r["arm"], r["seed"]) for r in self.rows(world)}
            counted |= {(world, r["arm"], r["seed"]) for r in self.classes(world)}
        return {
            task.key
            for task in tasks
            if task.key in run and (not task.counted or task.key in counted)
        }

    def add(self, task: Task, found: Done) -> None:
        """Put a task on record; its rows last, as they say that it is done.

        Raises:
          UserError: the world's rows are of other data.
        """
        world = task.form.key
        about = self.about(world)
        if about["data"] and about["data"] != found.data:
            remedy = "name another --out, or the data that its rows came by"
            raise UserError("other data than before", str(self.path(world)), remedy)
        name = digest(found.settings)
        about["data"] = found.data
        about["settings"][name] = found.settings
        piece = {
            "settings": name,
            "rows": digest(found.rows),
            "versions": found.versions,
        }
        about["pieces"][piece_name(task.arm, task.seed)] = piece
        text = json.dumps(about, indent=1, sort_keys=True) + "\n"
        files.write_atomic(self.path(world, ".json"), text)
        _put(self.path(world, "_seconds.csv"), found.seconds)
        if found.classes:
            _put(self.path(world, "_classes.csv"), found.classes)
        _put(self.path(world), found.rows)


def piece_name(arm: str, seed: int | str) -> str:
    """How the file of settings calls an arm's seed."""
    return f"{arm}, seed {seed}"


def digest(values: Any) -> str:
    """Twelve hexadecimal digits of settings, or of rows."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _put(path: Path, rows: Sequence[Row]) -> None:
    """Add a piece's rows, in place of any that it has there."""
    own = {(row["arm"], row["seed"]) for row in rows}
    kept = [row for row in tables.load(path) if (row["arm"], row["seed"]) not in own]
    tables.save(path, sorted([*kept, *rows], key=_order))


def _order(row: Row) -> tuple[str, int, int]:
    return row["arm"], int(row["seed"]), int(row["cycle"])
