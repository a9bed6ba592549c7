"""The table of recall by class."""

from collections.abc import Sequence
from statistics import median

from gmmal_jax.report import recall
from gmmal_jax.report.arms import class_names
from gmmal_jax.report.entries import (
    Entry,
    Section,
    best_of,
    mean_of,
    not_recorded,
    shown,
)
from gmmal_jax.report.findings import Found
from gmmal_jax.report.measures import Cell
from gmmal_jax.report.recall import ClassRecall

TITLE = "Recall by class (%)"
MOST_CLASSES = 20
"""Of more than that the table shows the worst."""
WORST = 10


def section(found: Found) -> Section:
    """A row for each class; of many the worst, and how far all lie apart."""
    methods = list(dict.fromkeys(row.method for row in found.recalls))
    classes: dict[int, list[ClassRecall]] = {}
    for row in found.recalls:
        classes.setdefault(row.label, []).append(row)
    listed, more, notes = list(classes), list[list[Entry]](), list[str]()
    if len(classes) > MOST_CLASSES:
        ranked = _worst_first(classes)
        listed, more = ranked[:WORST], _ends(found.recalls, methods, len(ranked))
        notes.append(f"The {WORST} of {len(ranked)} classes with the lowest means.")
    names = class_names(found.task.arms)
    lines = [_line(names.get(k, str(k)), classes[k], methods) for k in listed]
    size = found.recalls[0].labeled if lines else 0
    notes += [
        f"With {size:,} labels, the last size that all methods have come to. rows: of "
        "the class in the evaluation part. ±: half width of the 95 % t-interval.",
        *not_recorded(recall.lacking(found.task)),
    ]
    return Section(TITLE, ("class", "rows", *methods), lines + more, tuple(notes))


def _worst_first(classes: dict[int, list[ClassRecall]]) -> list[int]:
    """Those that the evaluation part has rows of, by the mean of all methods."""
    means = {k: mean_of(row.mean for row in rows) for k, rows in classes.items()}
    return [k for _, k in sorted((m, k) for k, m in means.items() if m is not None)]


def _line(
    name: str, rows: Sequence[ClassRecall], methods: Sequence[str]
) -> list[Entry]:
    cells = {
        row.method: Cell(row.method, row.labeled, row.n, row.mean, row.low, row.high)
        for row in rows
        if row.mean is not None
    }
    best = best_of([cell.mean for cell in cells.values()], 1)

    def entry(method: str) -> Entry:
        cell = cells.get(method)
        if cell is None:  # the evaluation part has no row of it
            return Entry("")
        return Entry(shown(cell), len(methods) > 1 and best(cell.mean))

    support = mean_of(row.support for row in rows) or 0.0
    return [Entry(name), Entry(f"{support:,.0f}"), *map(entry, methods)]


def _ends(
    rows: Sequence[ClassRecall], methods: Sequence[str], count: int
) -> list[list[Entry]]:
    """Lowest, middle and highest of all classes' means."""
    means: dict[str, list[float]] = {method: [] for method in methods}
    for row in rows:
        if row.mean is not None:
            means[row.method].append(row.mean)
    return [
        [
            Entry(f"{name} of {count}"),
            Entry(""),
            *(Entry(f"{of(own):.2f}") for own in means.values()),
        ]
        for name, of in (("lowest", min), ("median", median), ("highest", max))
    ]
