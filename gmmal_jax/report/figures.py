"""Pictures of a run: learning curves with intervals, a map of the latents."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer

from gmmal_jax import report
from gmmal_jax.errors import UserError, reason
from gmmal_jax.report import Row, Run, canvas as canvases, plane
from gmmal_jax.storage import layout, records

GROUP_NAMES = ("labeled", "unlabeled", "chosen")
"""What the numbers mean that a run keeps beside its latents."""
MAX_LATENTS = 3000
_LONGEST_NAME = 24
_UNKNOWN = "#b8b8b8"
# Drawing order: what the reader looks for lies on top.
_GROUPS: dict[str, dict[str, Any]] = {
    "unlabeled": {"marker": "o", "s": 9, "linewidths": 0, "alpha": 0.45},
    "labeled": {"marker": "^", "s": 26, "linewidths": 0.4, "edgecolors": "#303030"},
    "chosen": {"marker": "s", "s": 34, "linewidths": 1.1, "edgecolors": "black"},
}


class Drawn(NamedTuple):
    """What became of a run's pictures.

    Attributes:
      paths: PNG and SVG of the learning curve, then of the map of its latents.
      lost: a line for each picture that could not be drawn.
    """

    paths: list[Path]
    lost: list[str]


def draw_run(folder: str | os.PathLike[str]) -> Drawn:
    """Draw a run's learning curve and the latents of its last query.

    No picture ends a run: one that cannot be drawn costs itself and a line.

    Args:
      folder: the run's; the pictures go into it.

    Returns:
      No map where no cycle has asked anything yet.

    Raises:
      UserError: see `report.load_run`.
    """
    run = report.load_run(folder)
    places, drawn = layout.of(run.folder), Drawn([], [])
    curve = places.figure("learning_curve")
    _attempt(drawn, "learning curve", lambda: learning_curve([run], curve))
    asked = [record for record in run.records if record.queries]
    if asked:
        last = asked[-1]
        _attempt(drawn, "map of the latents", lambda: _draw_last(run, last))
    return drawn


def _attempt(drawn: Drawn, name: str, draw: Callable[[], list[Path]]) -> None:
    try:
        drawn.paths.extend(draw())
    except Exception as error:  # of many kinds: Matplotlib's, scikit-learn's, a disk's
        drawn.lost.append(f"no {name}: {reason(error)}")


def _draw_last(run: Run, asked: records.Record) -> list[Path]:
    """The map of the cycle that asked last."""
    kept = records.load_arrays(run.folder, asked.seed, asked.cycle)
    return latent_map(
        layout.of(run.folder).figure("latents"),
        kept["latents"],
        np.asarray(GROUP_NAMES)[kept["group"]],
        kept["label"],
        kept.get("bought"),
    )


def learning_curve(
    runs: Sequence[Run], path_stem: str | os.PathLike[str]
) -> list[Path]:
    """Draw learning curves with shaded 95 % intervals.

    Args:
      runs: see `report.summarise`.
      path_stem: the files' path without its ending.

    Returns:
      The PNG's and the SVG's path.

    Raises:
      UserError: see `report.summarise`.
    """
    rows = report.summarise(runs)

    def draw() -> Any:
        from matplotlib.figure import Figure

        canvas = Figure(figsize=(6.4, 4.3), layout="constrained")
        axes = canvas.add_subplot()
        references = {row.reference for row in rows}
        for place, row in enumerate(rows):
            _draw_curve(axes, row, place, is_reference=row.label in references)
        _style_curves(axes, rows[0].sizes)
        return canvas

    return canvases.save(draw, path_stem)


def latent_map(
    path_stem: str | os.PathLike[str],
    latents: Float[np.ndarray, "m d"],
    groups: Sequence[str] | np.ndarray,
    labels: Integer[np.ndarray, " m"],
    bought: Bool[np.ndarray, " m"] | None = None,
    names: Sequence[str] = (),
) -> list[Path]:
    """Draw latents in two dimensions by t-SNE, with a fixed seed.

    Args:
      path_stem: the files' path without its ending.
      latents: [m, d], m >= 5; of more than 3,000 rows a fixed random part is drawn,
        the groups thinned to equal shares, the smaller ones last.
      groups: [m], each "labeled" (triangle), "unlabeled" (circle) or "chosen"
        (square).
      labels: [m], the class, which is the color; -1 where unknown (gray).
      bought: [m], false where the label is the classifier's guess (paler); None: no
        label is.
      names: of the classes, for the legend, cut where they are long; none: numbers.

    Returns:
      The PNG's and the SVG's path.

    Raises:
      UserError: another group's name, or rows that make no map (see `plane.embed`).
    """
    groups = np.asarray(groups)
    unknown = sorted(set(groups.tolist()) - set(_GROUPS))
    if unknown:
        raise UserError("latent map: group", unknown[0], f"use one of {list(_GROUPS)}")
    kept = thin(groups, MAX_LATENTS)
    points = plane.embed(latents[kept])
    known = np.ones(len(kept), bool) if bought is None else bought[kept]

    def draw() -> Any:
        from matplotlib.figure import Figure

        canvas = Figure(figsize=(7.2, 5.6), layout="constrained")
        axes = canvas.add_subplot()
        _draw_map(axes, points, groups[kept], labels[kept], known, names)
        return canvas

    return canvases.save(draw, path_stem)


def _draw_curve(axes: Any, row: Row, place: int, *, is_reference: bool) -> None:
    reached = [(s, c) for s, c in zip(row.sizes, row.cells, strict=True) if c]
    sizes = [size for size, _ in reached]
    means = np.array([cell.mean for _, cell in reached])
    halves = np.array([cell.half_width or 0.0 for _, cell in reached])
    look = canvases.look(place)
    if is_reference:
        look |= {"color": canvases.REFERENCE, "linestyle": "--"}
    axes.plot(
        sizes, means, markersize=5, linewidth=1.8, label=row.label, zorder=3, **look
    )
    if halves.any():
        axes.fill_between(
            sizes,
            means - halves,
            means + halves,
            color=look["color"],
            alpha=0.16,
            linewidth=0,
        )


def _style_curves(axes: Any, sizes: Sequence[int]) -> None:
    from matplotlib.ticker import StrMethodFormatter

    axes.set_xlabel("labeled images")
    axes.set_ylabel("test accuracy (%)")
    axes.set_xticks(_spread(sizes))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")


def _spread(sizes: Sequence[int], at_most: int = 8) -> list[int]:
    """Evenly chosen sizes, the last among them, few enough to be read."""
    step = -(-len(sizes) // at_most)
    return list(sizes[::-1][::step][::-1])


def thin(groups: np.ndarray, at_most: int) -> np.ndarray:
    """Sorted rows to draw: small groups whole, what is left shared equally.

    Args:
      groups: [m], names.
      at_most: rows in all.
    """
    generator = np.random.default_rng(0)
    names, counts = np.unique(groups, return_counts=True)
    left, kept = at_most, []
    for place, i in enumerate(np.argsort(counts, kind="stable")):
        rows = np.flatnonzero(groups == names[i])
        share = min(len(rows), left // (len(names) - place))
        kept.append(generator.choice(rows, share, replace=False))
        left -= share
    return np.sort(np.concatenate(kept))


def _class_colors(labels: np.ndarray) -> dict[int, Any]:
    from matplotlib import colormaps

    classes = [int(label) for label in np.unique(labels) if label >= 0]
    if len(classes) <= 10:
        # Its gray, the eighth, would look like an unknown class: mint instead.
        shades = colormaps["tab10"](np.arange(10))
        shades[7] = (0.56, 0.89, 0.69, 1)
    elif len(classes) <= 20:
        shades = colormaps["tab20"](np.arange(20))
    else:
        shades = colormaps["turbo"](np.linspace(0, 1, len(classes)))
    return {-1: _UNKNOWN} | dict(zip(classes, shades, strict=False))


def _draw_map(
    axes: Any,
    points: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    bought: np.ndarray,
    names: Sequence[str],
) -> None:
    colors = _class_colors(labels)
    for name, style in _GROUPS.items():
        rows = groups == name
        pairs = zip(labels[rows], bought[rows], strict=True)
        shades = [_shade(colors[int(label)], bool(known)) for label, known in pairs]
        axes.scatter(points[rows, 0], points[rows, 1], c=shades, **style)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_color("#bbbbbb")
    drawn = [name for name in _GROUPS if name in groups]
    called = [
        (_called(label, names), color) for label, color in colors.items() if label >= 0
    ]
    _add_legends(axes, called, drawn, guesses=not bought.all())


def _called(label: int, names: Sequence[str]) -> str:
    if label >= len(names):
        return f"class {label}"
    name = names[label]
    # Matplotlib reads what stands between two dollar signs as a formula.
    cut = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
    return cut.replace("$", r"\$")


def _shade(color: Any, bought: bool) -> np.ndarray:
    """A class's color; a third of the way to white where the class is a guess."""
    from matplotlib.colors import to_rgb

    shade = np.asarray(to_rgb(color))
    return shade if bought else (2 * shade + 1) / 3


def _add_legends(
    axes: Any,
    classes: Sequence[tuple[str, Any]],
    groups: Iterable[str],
    *,
    guesses: bool,
) -> None:
    from matplotlib.lines import Line2D

    def mark(label: str, marker: str, color: Any, size: float = 6.0) -> Any:
        return Line2D([], [], ls="", marker=marker, color=color, label=label, ms=size)

    styles = [(name, _GROUPS[name]) for name in groups]
    handles = [
        mark(name, style["marker"], canvases.REFERENCE, style["s"] ** 0.5 + 1)
        for name, style in styles
    ]
    if len(classes) <= 20:  # more names than that are no help
        handles += [mark(name, "o", color) for name, color in classes]
    if guesses:
        handles.append(
            mark("pale: predicted class", "o", _shade(canvases.REFERENCE, False))
        )
    axes.legend(
        handles=handles, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5)
    )
