"""The committed rows as tables in experiments/README.md."""

from collections.abc import Sequence

from experiments import comparison, primary, tables
from experiments.compare_digits import arms
from experiments.comparison import Comparison, Row

_ARM = arms.primary_arm(primary.QUERY)
ASKED = [
    Comparison((other, setting), arms.WORLDS[setting], _ARM, arms.primary_arm(other))
    for setting in primary.SETTINGS
    for other in primary.OTHERS
]
"""The primary comparisons."""


def status(rows: Sequence[Row]) -> str:
    """Markdown: pieces done and planned."""
    main, jobs = arms.main_arms(), list(arms.jobs())
    parts = {
        "exploratory": [job for job in jobs if job.arm not in main],
        "primary": [job for job in jobs if job.arm in main],
    }
    return comparison.status(rows, parts)


def primary_table(rows: Sequence[Row]) -> str | None:
    """Markdown: the twelve comparisons; None before every seed of them is there."""
    heads = ("gmm less", "setting")
    return comparison.primary_table(rows, ASKED, heads, len(primary.SEEDS))


def shown_rows(rows: Sequence[Row]) -> list[Row]:
    """All rows, but those of primary arms before the last of their seeds is there."""
    main = arms.main_arms()
    own = (comparison.pieces_of(job) for job in arms.jobs() if job.arm in main)
    return comparison.shown_rows(rows, set().union(*own))


def arms_table(rows: Sequence[Row], world: str) -> str:
    """Markdown: every arm's accuracies, its difference to random, what it costs."""
    return comparison.arms_table(rows, world, _random_beside)


def _random_beside(arm: str) -> str:
    """The arm of random choice with the same training, or with plain training."""
    own = f" / {primary.LEARNER}"
    return f"random{own}" if arm.endswith(own) else "random"


def write(rows: Sequence[Row]) -> None:
    """Put the tables between the markers of the README."""
    tables.put("compare_digits", page(rows))


def page(rows: Sequence[Row]) -> str:
    """Markdown: what is done, and the tables of what may be shown."""
    shown = shown_rows(rows)
    there = {row["world"] for row in shown}
    found = [
        (setting, arms_table(shown, world))
        for setting, world in arms.WORLDS.items()
        if world in there
    ]
    decided, num = primary_table(rows), len(primary.SEEDS)
    return comparison.page(status(rows), decided, num, found)
