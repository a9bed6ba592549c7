"""What one seed of an arm is trained for, as rows of accuracy do not hold it.

Each is a file of its own beside the tables of rows, with one of the settings, data and
versions that it came by and a digest of what it holds. Figures that show the same share
it.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Literal, NamedTuple

from experiments import tables
from experiments.paper import made
from experiments.paper.experiment import Experiment
from experiments.paper.plan import Task
from experiments.paper.store import Body, Store, digest
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files


class Look(NamedTuple):
    """A kind of it.

    Attributes:
      name: in names of files.
      suffix: of the file that is there when it is done.
      cycles: that are trained, the first ones; None: all.
      kept: what of the file the file of settings has a digest of.
    """

    name: str
    suffix: str
    cycles: int | None
    kept: Literal["rows", "bytes"]

    def path(self, task: Task, store: Store, suffix: str | None = None) -> Path:
        """Where a task's file lies; with another suffix, what lies beside it."""
        arm = re.sub(r"\W+", "_", task.arm)
        ending = self.suffix if suffix is None else suffix
        return store.path(f"{task.form.key}_{arm}_{self.name}", ending)

    def about(self, task: Task, store: Store) -> Body:
        """What a task's file came by; empty where there is none.

        Raises:
          UserError: the file of settings is damaged.
        """
        where = self.path(task, store, ".json")
        if not (where.exists() and self.path(task, store).exists()):
            return {}
        try:
            found: Body = json.loads(where.read_text())
            if {"settings", "data", "versions"} <= found.keys():
                return found
        except (ValueError, AttributeError):
            pass
        remedy = "remove it and run the figure again"
        raise UserError(f"not what a {self.name} came by", str(where), remedy)

    def digest(self, task: Task, store: Store) -> str:
        """Of what a task's file holds.

        Raises:
          OSError: there is none.
        """
        path = self.path(task, store)
        if self.kept == "rows":
            return digest(tables.load(path))
        return bytes_digest(path.read_bytes())

    def current(self, task: Task, store: Store) -> Body:
        """What a task's file came by; empty where it is none of the plan's.

        A file by other settings is none, nor one that holds something else than was
        recorded: both are made again.

        Raises:
          UserError: the file of settings is damaged.
        """
        about = self.about(task, store)
        if not about or about["settings"] != made.settings(task):
            return {}
        return about if about.get(self.kept) == self.digest(task, store) else {}

    def keep_about(self, task: Task, store: Store, about: Body) -> None:
        """Write what a task's file comes by; the file itself comes last."""
        text = json.dumps(about, indent=1) + "\n"
        files.write_atomic(self.path(task, store, ".json"), text)


MAP = Look("map", ".npz", 1, "bytes")
"""The pool's latents after a first cycle (`maps`)."""
HARDNESS = Look("hardness", ".csv", None, "rows")
"""Losses of what scores put first, cycle by cycle (`hardness`)."""


def bytes_digest(content: bytes) -> str:
    """Twelve hexadecimal digits of a file's bytes."""
    return hashlib.sha256(content).hexdigest()[:12]


def of(experiment: Experiment) -> Look:
    """The kind that an experiment shows of the arms that are `seen`."""
    return HARDNESS if "hardness" in experiment.shown else MAP
