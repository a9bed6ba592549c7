"""All that a report says, as tables of plain values, and their files."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax.errors import UserError
from gmmal_jax.report import (
    budget,
    measures,
    penalty,
    queries,
    recall,
    significance,
    words,
)
from gmmal_jax.report.arms import Task
from gmmal_jax.report.budget import Area, Needed
from gmmal_jax.report.measures import Cell, Stage
from gmmal_jax.report.penalty import Penalty
from gmmal_jax.report.queries import Overlap, Share
from gmmal_jax.report.recall import ClassRecall
from gmmal_jax.report.significance import Pair
from gmmal_jax.storage import files, records

RANDOM = "random"


class Found(NamedTuple):
    """The tables of a task.

    Attributes:
      task: whose.
      base: label of the arm that gains and savings are counted from; None: there is
        none.
      results: name of a measure -> its cells; empty where records lack it.
      recalls: by class, at the last labeled size that all arms have come to.
      gains: accuracy less that of `base`.
      areas: under the budget curves.
      needed: labels at an accuracy.
      pairs: every two arms, tested.
      overlaps: of what they asked.
      classes: of what they had labeled.
      stages: seconds.
    """

    task: Task
    base: str | None
    results: dict[str, list[Cell]]
    recalls: list[ClassRecall]
    gains: list[Cell]
    areas: list[Area]
    needed: list[Needed]
    pairs: list[Pair]
    overlaps: list[Overlap]
    classes: list[Share]
    stages: list[Stage]


class Findings(NamedTuple):
    """The tables of all tasks, and the one that is made of all.

    Attributes:
      found: a task each.
      penalties: how often one arm beats another.
    """

    found: list[Found]
    penalties: list[Penalty]


def find(
    tasks: Sequence[Task], base: str | None = None, level: float | None = None
) -> Findings:
    """Every table.

    Args:
      tasks: at least one.
      base: label of the arm that gains and savings are counted from; None: the runs'
        own reference, or an arm called "random".
      level: accuracy in per cent at which labels are counted; None: what `base` ends
        with (`budget.level_of`).

    Raises:
      UserError: `base` is no arm of a task.
    """
    return Findings(
        [_find(task, _base(task, base), level) for task in tasks],
        penalty.matrix(tasks),
    )


def _find(task: Task, base: str | None, level: float | None) -> Found:
    at = budget.level_of(task, base) if level is None else level
    return Found(
        task=task,
        base=base,
        results={
            each.name: measures.by_cycle(task, each) for each in measures.MEASURES
        },
        recalls=recall.by_class(task),
        gains=measures.gains(task, base) if base else [],
        areas=budget.area_table(task),
        needed=[] if at is None else budget.needed_table(task, at, base),
        pairs=significance.pairs(task),
        overlaps=queries.overlaps(task),
        classes=queries.class_shares(task),
        stages=measures.stages(task),
    )


def _base(task: Task, asked: str | None) -> str | None:
    labels = [arm.label for arm in task.arms]
    if asked is None:
        return next((each for each in (task.reference, RANDOM) if each in labels), None)
    if asked not in labels:
        raise UserError(f"--base: no run of it in {task.name}", asked, _one_of(labels))
    return asked


def _one_of(labels: Sequence[str]) -> str:
    return f"use one of {', '.join(labels)}"


def tables(findings: Findings) -> dict[str, records.Table]:
    """Name -> table: every row names its task, numbers are as they are counted.

    Infinite and missing numbers are empty; `budget.Needed` has words beside them.
    """
    rows: dict[str, list[records.Row]] = {}
    for found in findings.found:
        for name, part in _parts(found).items():
            body = [{"task": found.task.name} | _plain(row) for row in part]
            rows.setdefault(name, []).extend(body)
    rows["penalties"] = [row._asdict() for row in findings.penalties]
    return {
        name: records.Table(tuple(body[0]), body) for name, body in rows.items() if body
    }


def write_csv(folder: Path, findings: Findings) -> list[Path]:
    """Write a file a table; those without a row are left out.

    Raises:
      OSError: the folder cannot be written to.
    """
    found = {name: records.as_csv(table) for name, table in tables(findings).items()}
    return [_write(folder / f"{name}.csv", text) for name, text in found.items()]


def write_json(folder: Path, findings: Findings) -> list[Path]:
    """Write a file a table: a list of objects; a missing number is null.

    Raises:
      OSError: the folder cannot be written to.
    """
    return [
        _write(folder / f"{name}.json", json.dumps(table.rows, indent=1) + "\n")
        for name, table in tables(findings).items()
    ]


def _write(path: Path, text: str) -> Path:
    files.write_atomic(path, text)
    return path


def _parts(found: Found) -> dict[str, Sequence[Any]]:
    return found.results | {
        "recall": found.recalls,
        "gains": found.gains,
        "area": found.areas,
        "labels_needed": found.needed,
        "pairs": found.pairs,
        "overlap": found.overlaps,
        "classes": found.classes,
        "seconds": found.stages,
    }


def _plain(row: Any) -> records.Row:
    values: records.Row = row._asdict()
    finite = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
    if isinstance(row, Needed):
        finite |= {"labels_shown": words.labels(row), "saved_shown": words.saved(row)}
    return finite
