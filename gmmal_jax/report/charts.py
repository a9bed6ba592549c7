"""Curves as paths of an SVG: what a page draws, without a word of HTML."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.report.measures import Cell

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 14, 12, 42
"""Of the drawing and its margins, in the SVG's units."""
_TICKS = 6

Points = Sequence[tuple[float, float]]


class Series(NamedTuple):
    """One arm.

    Attributes:
      label: its name.
      look: number of its color and dashes.
      line: path through its means.
      band: path around its intervals; "" of none.
      marks: its means.
    """

    label: str
    look: int
    line: str
    band: str
    marks: list[tuple[float, float]]


class Chart(NamedTuple):
    """A drawing.

    Attributes:
      title: what it shows.
      text: what it says, for those who do not see it.
      x_label: below it.
      y_label: beside it.
      x_ticks: places and their numbers.
      y_ticks: likewise.
      series: an arm each.
      zero: where 0 lies; None: outside.
    """

    title: str
    text: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    series: list[Series]
    zero: float | None


class _Scale(NamedTuple):
    """A line from values to places."""

    low: float | int
    high: float | int
    start: int
    end: int

    def __call__(self, value: float | int) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def curves(
    title: str,
    y_label: str,
    cells: Sequence[Cell],
    looks: dict[str, int],
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> Chart | None:
    """Means over labels with their intervals; None of no number.

    Args:
      title: of the chart.
      y_label: what the means are.
      cells: of all arms.
      looks: label -> number of its color and dashes.
      limits: of what there can be: an interval is drawn no further.
    """
    finite = [_within(cell, limits) for cell in cells if np.isfinite(cell.mean)]
    if not finite:
        return None
    ends = [end for cell in finite for end in (cell.mean, cell.low, cell.high)]
    y_ticks = _ticks([end for end in ends if end is not None and np.isfinite(end)])
    sizes = sorted({cell.labeled for cell in finite})
    x = _Scale(sizes[0], max(sizes[-1], sizes[0] + 1), LEFT, WIDTH - RIGHT)
    y = _Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    names = list(dict.fromkeys(cell.method for cell in finite))
    return Chart(
        title=title,
        text=_told(finite, names),
        x_label="labels",
        y_label=y_label,
        x_ticks=[(x(size), f"{size:,}") for size in _some(sizes)],
        y_ticks=[(y(tick), f"{tick:g}") for tick in y_ticks],
        series=[_series(name, looks[name], finite, x, y) for name in names],
        zero=y(0.0) if y_ticks[0] < 0 < y_ticks[-1] else None,
    )


def _within(cell: Cell, limits: tuple[float, float]) -> Cell:
    if cell.low is None or cell.high is None:
        return cell
    return cell._replace(low=max(limits[0], cell.low), high=min(limits[1], cell.high))


def path(points: Points) -> str:
    """Straight lines through points."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""


def _series(
    name: str, look: int, cells: Sequence[Cell], x: _Scale, y: _Scale
) -> Series:
    own = [cell for cell in cells if cell.method == name]
    marks = [(x(cell.labeled), y(cell.mean)) for cell in own]
    upper, lower = [], []
    for cell in own:
        if cell.low is not None and cell.high is not None:
            upper.append((x(cell.labeled), y(cell.high)))
            lower.append((x(cell.labeled), y(cell.low)))
    band = f"{path([*upper, *reversed(lower)])}Z" if len(upper) > 1 else ""
    return Series(name, look, path(marks), band, marks)


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around all values, at least two."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    found = MaxNLocator(_TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    # Their arithmetic leaves 1e-17 in place of 0.
    return [round(float(tick), 10) for tick in found]


def _some(sizes: Sequence[int]) -> list[int]:
    """Few enough to be read, evenly chosen, the last among them."""
    step = -(-len(sizes) // _TICKS)
    return list(sizes[::-1][::step][::-1])


def _told(cells: Sequence[Cell], names: Sequence[str]) -> str:
    """First and last mean of each arm."""
    told = []
    for name in names:
        own = [cell for cell in cells if cell.method == name]
        first, last = own[0], own[-1]
        told.append(
            f"{name}: {first.mean:.1f} with {first.labeled:,} labels, "
            f"{last.mean:.1f} with {last.labeled:,}"
        )
    return "; ".join(told)
