"""The numbers that the paper prints, from `experiments/paper.csv`: never ours."""

import csv
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).parent.parent / "paper.csv"
SETTINGS = {"balanced": "balanced", "imbalanced-10": "imbalanced"}
"""As the file calls them -> as we do."""
AVERAGE = "avg"


class Value(NamedTuple):
    """A cell of Tables 1 and 4 to 12.

    Attributes:
      table: its number.
      data: the data set, as the paper calls it.
      setting: of class sizes, as we call it.
      method: as the paper calls it.
      labeled: labels; None: the mean over all sizes.
      accuracy: per cent.
    """

    table: int
    data: str
    setting: str
    method: str
    labeled: int | None
    accuracy: float


class Timing(NamedTuple):
    """A line of Tables 2 and 3."""

    table: int
    what: str
    number: float
    unit: str


def _lines() -> Iterator[dict[str, str]]:
    with PATH.open() as file:
        yield from csv.DictReader(line for line in file if not line.startswith("#"))


@functools.cache
def accuracies() -> tuple[Value, ...]:
    """All accuracies."""
    return tuple(
        Value(
            int(row["table"]),
            row["dataset"],
            SETTINGS[row["setting"]],
            row["method"],
            None if row["kind"] == AVERAGE else int(row["n_labeled"]),
            float(row["accuracy"]),
        )
        for row in _lines()
        if row["kind"] != "timing"
    )


def timings() -> tuple[Timing, ...]:
    """All lines of the two tables of seconds."""
    return tuple(
        Timing(
            int(row["table"]), row["method"], float(row["other_value"]),
            row["other_unit"],
        )
        for row in _lines()
        if row["kind"] == "timing"
    )  # fmt: skip


def curve(
    tables: tuple[int, ...], data: str, setting: str, method: str
) -> dict[int | None, float]:
    """Labels -> per cent, of one method in some tables; empty where it is in none."""
    return {
        value.labeled: value.accuracy
        for value in accuracies()
        if value.table in tables and value[1:4] == (data, setting, method)
    }
