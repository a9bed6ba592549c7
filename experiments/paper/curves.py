"""Values by labels: of rows, within seeds, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.tables import Row
from gmmal_jax.report import canvas, estimate

FACTOR = {"accuracy": 100.0}
"""From rows to what is shown; 1 for others."""
Curves = dict[str, list[float]]
"""Seed -> a value a cycle."""
_APART = 0.3
"""Of the way to the next number of labels: so wide stand the arms of one, or their
intervals would lie on each other."""


def of(rows: Sequence[Row], arm: str, shown: str) -> Curves:
    """An arm's values of a column, by seeds.

    Args:
      rows: of a world.
      arm: in it.
      shown: the column.
    """
    found: Curves = {}
    for row in rows:
        if row["arm"] == arm and row[shown] != "":
            value = FACTOR.get(shown, 1.0) * float(row[shown])
            found.setdefault(row["seed"], []).append(value)
    return found


def less(found: Mapping[str, Curves], base: str) -> dict[str, Curves]:
    """All other arms less one, within the seeds that both have."""
    theirs = found.get(base, {})
    gaps: dict[str, Curves] = {}
    for name, own in found.items():
        both = sorted(own.keys() & theirs.keys(), key=int)
        if name != base and both:
            gaps[name] = {
                seed: [a - b for a, b in zip(own[seed], theirs[seed], strict=True)]
                for seed in both
            }
    return gaps


def draw(
    found: Mapping[str, Curves], sizes: Sequence[int], word: str, stem: Path
) -> list[Path]:
    """Means over seeds with 95 % intervals, as PNG and SVG.

    Args:
      found: name -> curves, at least one each.
      sizes: labels in each cycle.
      word: what is shown.
      stem: of the two paths.
    """

    def figure() -> Any:
        from matplotlib.figure import Figure

        whole = Figure(figsize=(6.4, 4.3), layout="constrained")
        axes = whole.add_subplot()
        aside = _aside(found, sizes)
        for place, (name, own) in enumerate(found.items()):
            cells = [estimate(list(size)) for size in zip(*own.values(), strict=True)]
            known = [cell for cell in cells if cell is not None]
            axes.errorbar(
                np.array(sizes) + aside[place],
                [cell.mean for cell in known],
                [cell.half_width or 0.0 for cell in known],
                label=name,
                markersize=4,
                capsize=2,
                linewidth=1.2,
                **_look(place),
            )
        axes.set_xticks(sizes)
        axes.set_xlabel("labels")
        axes.set_ylabel(word)
        # Beside the axes: among them no place is free of intervals.
        whole.legend(
            loc="outside lower center",
            ncols=3,
            fontsize="small",
            frameon=False,
            handlelength=3,
        )
        return whole

    return canvas.save(figure, stem)


def _aside(found: Mapping[str, Curves], sizes: Sequence[int]) -> np.ndarray:
    """How far from its labels each stands: nowhere without another's interval."""
    if len(found) == 1 or all(len(own) == 1 for own in found.values()):
        return np.zeros(len(found))
    half = _APART / 2 * min(np.diff(sizes), default=0.0)
    return np.linspace(-half, half, len(found))


def _look(place: int) -> dict[str, Any]:
    """Gray is the first arm's: it is random choice most often."""
    if place == 0:
        return {"color": canvas.REFERENCE, "marker": "o"}
    return canvas.look(place - 1)
