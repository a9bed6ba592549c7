"""A report's tables as a person reads them, on a terminal or a page."""

from collections.abc import Callable, Sequence

from gmmal_jax.report import class_table, significance, words
from gmmal_jax.report.entries import (
    Entry,
    Section,
    best_of,
    mean_of,
    not_recorded,
    shown,
)
from gmmal_jax.report.findings import Findings, Found
from gmmal_jax.report.measures import MEASURES, Cell, Measure
from gmmal_jax.report.tables import aligned


def of_task(found: Found) -> list[Section]:
    """All tables of a task that have a row."""
    made = [
        *(_measure(found, each) for each in MEASURES),
        class_table.section(found),
        _gains(found),
        bought(found),
        tested(found),
        overlap(found),
        _seconds(found),
    ]
    return [section for section in made if section.lines]


def text(section: Section) -> str:
    """A table for a terminal, its title above and its notes below."""
    lines = [[entry.text for entry in line] for line in section.lines]
    body = aligned([section.head, *lines])
    return "\n".join([f"{section.title}\n", body, *section.notes, ""])


def for_terminal(findings: Findings) -> list[Section]:
    """Those that the table of accuracies lacks; none where there is one seed only."""
    made = [
        part
        for found in findings.found
        if any(len(arm.cycles) > 1 for arm in found.task.arms)
        for part in (bought(found), tested(found), overlap(found))
    ]
    several = [part for part in [*made, penalties(findings)] if part.lines]
    return several if made else []


def bought(found: Found) -> Section:
    """Areas under the budget curves, and labels at an accuracy."""
    areas = {area.method: area for area in found.areas}
    best = best_of([area.mean for area in found.areas], 1)
    lines, level = [], found.needed[0].level if found.needed else 0.0
    for each in found.needed:
        area = areas[each.method]
        lines.append(
            [
                Entry(each.method),
                Entry(str(each.n)),
                Entry(shown(area), best(area.mean)),
                Entry(words.labels(each)),
                Entry(words.labels_interval(each)),
                Entry(words.saved(each)),
                Entry(words.saved_interval(each)),
            ]
        )
    head = ("method", "seeds", "area (%)", "labels", "95 %", "saved", "95 %")
    notes = [
        "area: under the accuracy over the labels, divided by their range.",
        f"labels: with which the mean curve reaches {level:.1f} %; intervals by a "
        "bootstrap over seeds. >: not reached, ≤: there from the start; nothing is "
        "extrapolated.",
    ]
    if found.base:
        notes.append(f"saved: labels that {found.base} needs more.")
    return Section("What labels buy", head, lines, tuple(notes))


def tested(found: Found) -> Section:
    """Every two arms, with p-values."""
    lines = [
        [
            Entry(f"{pair.method} - {pair.base}"),
            Entry(str(pair.n)),
            Entry(shown(pair, "+")),
            Entry(words.p_value(pair.p_t)),
            Entry(words.p_value(pair.p_t_holm), words.is_small(pair.p_t_holm)),
            Entry(words.p_value(pair.p_flips)),
            Entry(words.p_value(pair.p_flips_holm), words.is_small(pair.p_flips_holm)),
        ]
        for pair in found.pairs
    ]
    head = ("area, paired by seed", "seeds", "difference", "p (t)", "Holm",
            "p (flips)", "Holm")  # fmt: skip
    notes = [
        "p (t): two-sided t test; p (flips): exact test of all sign flips; Holm: "
        f"adjusted for all {len(found.pairs)} pairs."
    ]
    fewest = min((pair.n for pair in found.pairs), default=0)
    if fewest < significance.FEWEST:
        least = min(1.0, 2.0 ** (1 - fewest))
        notes.append(
            f"With {fewest} seeds the exact test cannot fall below {least:.3g}: "
            f"{significance.FEWEST} seeds are the fewest that can reach 0.05."
        )
    if any(pair.n > significance.EXACT_SEEDS for pair in found.pairs):
        notes.append(
            f"Beyond {significance.EXACT_SEEDS} seeds sign flips are random ones."
        )
    if any(pair.p_t is None and pair.n > 1 for pair in found.pairs):
        notes.append("No p (t) where all differences are equal.")
    return Section("Paired differences", head, lines, tuple(notes))


def overlap(found: Found) -> Section:
    """Matrix of the Jaccard overlap of queries."""
    known = {(each.method, each.other): each.jaccard for each in found.overlaps}
    labels = list(dict.fromkeys(name for pair in known for name in pair))

    def value(one: str, other: str) -> float | None:
        return known.get((one, other), known.get((other, one)))

    lines = _matrix(labels, value) if len(labels) > 1 else []
    notes = (
        "Rows that both asked for, of those that either did, over all cycles: two "
        "methods with equal seeds; on the diagonal, two seeds of one method.",
    )
    return Section("Overlap of queries", ("share", *labels), lines, notes)


def penalties(findings: Findings) -> Section:
    """Matrix of how often the row's arm beats the column's."""
    known = {(each.method, each.beaten): each.share for each in findings.penalties}
    labels = list(dict.fromkeys(name for pair in known for name in pair))
    lines = _matrix(labels, lambda one, other: known.get((one, other)))
    if lines:
        means = [mean_of(known.get((one, other)) for one in labels) for other in labels]
        best = best_of([mean for mean in means if mean is not None], -1)
        lines.append([Entry("beaten on average"), *(_share(m, best) for m in means)])
    count = sum(len(found.task.sizes) - 1 for found in findings.found)
    notes = (
        "Share of labeled sizes after the first at which the row's method beats the "
        "column's (paired t test, p < 0.05, not adjusted). Data sets and settings: "
        f"{len(findings.found)}, cells: {count}. Last row: small where seldom beaten.",
    )
    return Section("Who beats whom", ("share", *labels), lines, notes)


def _measure(found: Found, measure: Measure) -> Section:
    cells = found.results[measure.name]
    there = {cell.method for cell in cells}
    notes = [
        *([measure.note] if measure.note else []),
        "±: half width of the 95 % t-interval over seeds.",
        *not_recorded([a.label for a in found.task.arms if a.label not in there]),
    ]
    return _over_sizes(found, cells, measure.title, measure.best, "", tuple(notes))


def _gains(found: Found) -> Section:
    title = f"Accuracy less {found.base}'s, points"
    notes = ("Differences within seeds, 95 % t-intervals.",)
    return _over_sizes(found, found.gains, title, 1, "+", notes)


def _over_sizes(
    found: Found,
    cells: Sequence[Cell],
    title: str,
    sense: int,
    sign: str,
    notes: tuple[str, ...],
) -> Section:
    """A row for each arm, a column for each labeled size."""
    known = {(cell.method, cell.labeled): cell for cell in cells}
    arms = {cell.method: 0 for cell in cells}
    bests = {
        size: best_of([cell.mean for cell in cells if cell.labeled == size], sense)
        for size in found.task.sizes
    }

    def entry(label: str, size: int) -> Entry:
        cell = known.get((label, size))
        if cell is None:
            return Entry("")
        return Entry(shown(cell, sign), len(arms) > 1 and bests[size](cell.mean))

    lines = [
        [
            Entry(label),
            Entry(str(max(cell.n for cell in cells if cell.method == label))),
            *(entry(label, size) for size in found.task.sizes),
        ]
        for label in arms
    ]
    head = ("method", "seeds", *(f"{size:,}" for size in found.task.sizes))
    return Section(title, head, lines, notes)


def _seconds(found: Found) -> Section:
    stages = list(dict.fromkeys(each.stage for each in found.stages))
    stages.sort(key=lambda name: name == "total")
    known = {(each.method, each.stage): each for each in found.stages}
    lines = []
    for label in dict.fromkeys(each.method for each in found.stages):
        own = [known.get((label, stage)) for stage in stages]
        count = next(each.n for each in own if each)
        shown = [Entry(f"{each.seconds:,.2f}" if each else "") for each in own]
        lines.append([Entry(label), Entry(str(count)), *shown])
    head = ("seconds of a cycle", "cycles", *stages)
    return Section("Time by stage", head, lines)


def _matrix(
    labels: Sequence[str], value: Callable[[str, str], float | None]
) -> list[list[Entry]]:
    return [
        [Entry(one), *(_share(value(one, other)) for other in labels)] for one in labels
    ]


def _share(
    value: float | None, best: Callable[[float], bool] = lambda value: False
) -> Entry:
    if value is None:
        return Entry("")
    return Entry(f"{value:.2f}", best(value), value)
