"""Values by labels: of rows, within seeds, as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.tables import Row
from gmmal_jax.report import canvas, estimate

FACTOR = {"accuracy": 100.0}
"""From rows to what is shown; 1 for others."""
Curves = dict[str, list[float]]
"""Seed -> a value a cycle."""
_COLORS = ("#555555", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's, gray first: the first arm is random choice most often."""
_MARKS = "os^Dv"


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
        for place, (name, own) in enumerate(found.items()):
            cells = [estimate(list(size)) for size in zip(*own.values(), strict=True)]
            known = [cell for cell in cells if cell is not None]
            color = _COLORS[place % len(_COLORS)]
            axes.errorbar(
                sizes,
                [cell.mean for cell in known],
                [cell.half_width or 0.0 for cell in known],
                label=name,
                color=color,
                marker=_MARKS[place % len(_MARKS)],
                markersize=4,
                capsize=2,
                linewidth=1.2,
            )
        axes.set_xlabel("labels")
        axes.set_ylabel(word)
        axes.legend(fontsize="small", frameon=False)
        return whole

    return canvas.save(figure, stem)
