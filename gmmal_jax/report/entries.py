"""Cells and tables as a person reads them, and what makes a cell stand out."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gmmal_jax.report.budget import Area
from gmmal_jax.report.measures import Cell
from gmmal_jax.report.significance import Pair
from gmmal_jax.report.statistics import Estimate
from gmmal_jax.report.tables import show

_DIGITS = 10
"""Behind the point; means that agree in them are equal."""


class Entry(NamedTuple):
    """A cell.

    Attributes:
      text: what stands there.
      best: of its column, or a finding; ties are best, too.
      heat: how deep its ground is, in [0, 1]; None: not at all.
    """

    text: str
    best: bool = False
    heat: float | None = None


class Section(NamedTuple):
    """A table.

    Attributes:
      title: of it.
      head: names of at least three columns; the first names the rows.
      lines: a row each.
      notes: below it.
    """

    title: str
    head: tuple[str, ...]
    lines: list[list[Entry]]
    notes: tuple[str, ...] = ()


def not_recorded(labels: Sequence[str]) -> list[str]:
    """A line about arms that another version of the program ran; none of no arm."""
    return [f"Not recorded: {', '.join(labels)}."] if labels else []


def mean_of(values: Iterable[float | None]) -> float | None:
    """Of those that there are; None of none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def best_of(values: Sequence[float], sense: int) -> Callable[[float], bool]:
    """Is a number the best of its column? `sense` as in `measures.Measure`."""
    if not sense or not values:
        return lambda value: False
    best = round(max(sense * value for value in values), _DIGITS)
    return lambda value: round(sense * value, _DIGITS) == best


def shown(row: Area | Cell | Pair, sign: str = "") -> str:
    """A mean with half the width of its interval, where it has one."""
    half = None if row.high is None else row.high - row.mean
    return show(Estimate(row.mean, half, row.n), sign)
