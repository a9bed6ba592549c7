"""The pool after a first cycle: a map of its latents, with what a method makes of them.

One training of one seed, kept whole, as rows of accuracy hold no latents. It is done
at once: a kill costs that training. Figures that show the same cycle share it.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import analysis
from experiments.paper import looks, published, work
from experiments.paper.plan import Task
from experiments.paper.store import Body, Store
from gmmal_jax import answers, bind, cycle as cycles, switches
from gmmal_jax.report import canvas, figures, plane
from gmmal_jax.storage import files

SIDE = 3.2
"""Inches of a panel."""
GROUPS = ("labeled", "unlabeled", "chosen")
WORDS = {
    "group": "labeled and unlabeled",
    "log_likelihood_labeled": "log likelihood, labeled mixture",
    "log_likelihood_unlabeled": "log likelihood, unlabeled mixture",
    "likelihood_ratio": "likelihood ratio",
    "total": "all scores, fused",
}
"""Titles of panels, where they are not what is shown."""
Arrays = dict[str, np.ndarray]


class First(NamedTuple):
    """A first cycle, trained.

    Attributes:
      run: that it began.
      outcome: of the cycle.
      came_by: settings, data and versions.
    """

    run: bind.Run
    outcome: cycles.Outcome
    came_by: Body


def take(task: Task, data: Path | None, store: Store) -> None:
    """Train a first cycle and keep what is drawn of it; what is there stays.

    Args:
      task: whose first cycle it is.
      data: the folder of pictures.
      store: of the results.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    if looks.MAP.current(task, store):
        return
    first = first_cycle(task, data, store)
    classes, buffer = analysis.classes(first.run, task.seed), io.BytesIO()
    arrays: dict[str, Any] = {**_arrays(first.outcome, classes)}
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    kept = {"bytes": looks.bytes_digest(content)}
    looks.MAP.keep_about(task, store, first.came_by | kept)
    files.write_atomic(looks.MAP.path(task, store), content)


def first_cycle(task: Task, data: Path | None, store: Store) -> First:
    """Train a first cycle, and ask at its end.

    Args:
      task: whose first cycle it is.
      data: the folder of pictures.
      store: whose folder has room for halved pictures.

    Raises:
      TrainingDiverged: a loss is not finite.
    """
    folder = store.root / "work"
    config = work.config(task, (task.seed,), data, folder)
    with switches.pinned():
        run = bind.prepare(config, folder / "map", 1)
        arm, pool = run.arms[0], analysis.begun(run, task.seed)
        outcome = cycles.run(
            bind.task(run, arm, task.seed), pool, 0, config.budget, None,
            lambda standing: None, lambda: None,
        )  # fmt: skip
    sums = published.of(task.form, run.dataset)
    came_by = work.about(bind.described(arm, run.dataset), sums)
    return First(run, outcome, came_by)


def _arrays(outcome: cycles.Outcome, truth: np.ndarray) -> Arrays:
    """Of at most 3,000 rows: points of the map, group, class, columns and scores."""
    view, query = outcome.view, outcome.query
    assert query is not None
    chosen = np.isin(outcome.rows, query.indices)
    groups = np.where(view.labeled, 0, np.where(chosen, 2, 1)).astype(np.int8)
    kept = figures.thin(np.asarray(GROUPS)[groups], figures.MAX_LATENTS)
    rows = outcome.rows[kept]
    numbers = answers.numbers(outcome, kept)
    # Columns come first: a score stands in for a column of its name.
    found = {name.partition("/")[2]: values for name, values in numbers.items()}
    return found | {
        "points": plane.embed(view.columns["latents"][kept]),
        "group": groups[kept],
        "class": truth[rows],
        "total": np.asarray(query.total)[rows],
    }


def read(task: Task, store: Store) -> Arrays:
    """What `take` kept of a task's first cycle."""
    with np.load(looks.MAP.path(task, store)) as file:
        return {name: file[name] for name in file.files}


class Panel(NamedTuple):
    """A map.

    Attributes:
      title: above it.
      arrays: from `read`.
      shown: "group"; "class"; "chosen", which are squares in their classes' colors; or
        a number of each row, warm where it is high.
    """

    title: str
    arrays: Arrays
    shown: str


def told(panels: Sequence[Panel]) -> str:
    """What the marks and colors of maps mean."""
    shown = {panel.shown for panel in panels}
    marks = ["triangles: labeled", "dots: unlabeled"]
    if "chosen" in shown:
        marks.append("squares: chosen")
    parts = [
        "A point is a row of the pool when the first cycle ends, placed by t-SNE of "
        f"the latents; {', '.join(marks)}."
    ]
    if shown & {"class", "chosen"}:
        parts.append("Colors are true classes.")
    if shown - {"class", "chosen", "group"}:
        parts.append(
            "Dark is low, bright is high, from the 2nd to the 98th percentile."
        )
    return " ".join(parts)


def draw(panels: Sequence[Panel], stem: Path) -> list[Path]:
    """Maps side by side, as PNG and SVG.

    Args:
      panels: at least one.
      stem: of the two paths.
    """

    def figure() -> Any:
        from matplotlib.figure import Figure

        size = (SIDE * len(panels), SIDE)
        whole = Figure(figsize=size, layout="constrained")
        for axes, panel in zip(
            np.atleast_1d(whole.subplots(1, len(panels))), panels, strict=True
        ):
            _draw(axes, panel)
        return whole

    return canvas.save(figure, stem)


def _draw(axes: Any, panel: Panel) -> None:
    """Labeled rows are triangles, all others dots; a number colors those it has."""
    arrays, shown = panel.arrays, panel.shown
    points, group = arrays["points"], arrays["group"]
    classes = shown in ("class", "chosen")
    numbers = {"group": group > 0, "class": arrays["class"], "chosen": arrays["class"]}
    values = np.asarray(numbers[shown] if shown in numbers else arrays[shown], float)
    known = np.isfinite(values)
    low, high = np.percentile(values[known], (2, 98)) if known.any() else (0.0, 1.0)
    if shown in numbers:
        low, high = 0.0, max(1.0, values.max())
    colors = "tab20" if classes else "coolwarm" if shown == "group" else "inferno"
    marks = [(group > 0, "o", 5.0, "none"), (group == 0, "^", 14.0, "none")]
    if shown == "chosen":
        marks.append((group == 2, "s", 26.0, "black"))
    for rows, mark, size, edge in marks:
        own = rows & known
        axes.scatter(
            *points[own].T, c=values[own], marker=mark, s=size, edgecolors=edge,
            linewidths=0.8, cmap=colors, vmin=low, vmax=high,
        )  # fmt: skip
    axes.set_title(panel.title, fontsize="small")
    axes.set_xticks([])
    axes.set_yticks([])
