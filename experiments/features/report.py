"""The rows on record as tables in experiments/README.md."""

from collections.abc import Sequence

from experiments import comparison, tables
from experiments.comparison import Comparison, Row
from experiments.features import arms, expected, primary, worlds
from gmmal_jax.report import markdown

NAME = "features"
_WORLDS = [
    worlds.World("cifar10", setting, grid)
    for setting in primary.SETTINGS
    for grid in primary.GRIDS
]


def asked() -> list[Comparison]:
    """The primary comparisons, a world after another."""
    ours = primary.arm(primary.QUERY)
    queries = [(ours, primary.arm(other), 1) for other in primary.OTHERS]
    trainings = [
        (primary.arm(primary.PLAIN, one), primary.arm(primary.PLAIN, two), 0)
        for one, two in primary.TRAININGS
    ]
    return [
        Comparison((f"{arm} - {base}", world.setting, world.grid), world.key, arm,
                   base, first)
        for world in _WORLDS
        for arm, base, first in (*queries, *trainings)
    ]  # fmt: skip


def primary_table(rows: Sequence[Row]) -> str | None:
    """Markdown: the 36 comparisons, of each world once all its seeds are there."""
    heads = ("difference", "CIFAR-10", "grid")
    return comparison.primary_table(rows, asked(), heads, len(primary.SEEDS))


def shown_rows(rows: Sequence[Row]) -> list[Row]:
    """All rows, but a world's primary ones before the last of these is there."""
    own = (comparison.pieces_of(job) for job in arms.jobs() if arms.is_primary(job))
    return comparison.shown_rows(rows, set().union(*own))


def status(rows: Sequence[Row]) -> str:
    """Markdown: pieces done and planned, hours spent and left of each part."""
    spent = expected.seconds(rows)
    lines = [["part", "done", "of", "hours spent", "hours left, about"]]
    for part, wanted in (("primary", True), ("exploratory", False)):
        jobs = [job for job in arms.jobs() if arms.is_primary(job) == wanted]
        own = set().union(*map(comparison.pieces_of, jobs))
        done = [spent[piece] for piece in own if piece in spent]
        left = [expected.of(piece, spent) for piece in own if piece not in spent]
        hours = [f"{sum(each) / 3600:.1f}" for each in (done, left)]
        lines.append([part, str(len(done)), str(len(own)), *hours])
    return markdown.table(lines)


def write(rows: Sequence[Row]) -> None:
    """Put the tables between the markers of the README."""
    tables.put(NAME, page(rows))


def page(rows: Sequence[Row]) -> str:
    """Markdown: what is done, and the tables of what may be shown."""
    shown, base = shown_rows(rows), primary.arm(primary.PLAIN)
    found = [
        (key.replace("_", " "), comparison.arms_table(shown, key, lambda arm: base))
        for key in dict.fromkeys(row["world"] for row in shown)
    ]
    decided, num = primary_table(rows), len(primary.SEEDS)
    return comparison.page(status(rows), decided, num, found)
