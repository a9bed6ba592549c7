"""Tables of a comparison: what is done, who won, and what may be looked at yet."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments import primary, tables
from experiments.first_check.report import accuracies, by_seed
from experiments.jobs import Job
from gmmal_jax.report import estimate, markdown, show

Row = tables.Row
Piece = tuple[str, str, str]
"""World, arm and seed."""


class Comparison(NamedTuple):
    """A primary one: an arm less another on a world.

    Attributes:
      name: cells of the table that say what is compared.
      world: of both.
      arm: whose accuracy counts.
      base: whose is subtracted.
      first: cycles at the start that do not count: 1 where their labels are the same
        for both by nature.
    """

    name: tuple[str, ...]
    world: str
    arm: str
    base: str
    first: int = 1


def piece(row: Row) -> Piece:
    """What a row belongs to."""
    return row["world"], row["arm"], row["seed"]


def pieces_of(job: Job) -> set[Piece]:
    """What a job runs."""
    return {(job.world, job.arm, str(seed)) for seed in job.seeds}


def missing(planned: Sequence[Job], rows: Sequence[Row]) -> list[Job]:
    """The jobs with a piece that has no row yet, in their order, and only these."""
    done, left = {piece(row) for row in rows}, list[Job]()
    for job in planned:
        seeds = tuple(s for s in job.seeds if (job.world, job.arm, str(s)) not in done)
        if seeds:
            left.append(job._replace(seeds=seeds))
    return left


def page(
    status: str, decided: str | None, num_seeds: int, shown: Iterable[tuple[str, str]]
) -> str:
    """Markdown: what is done, the primary table once it has rows, titled tables."""
    parts = [status]
    if decided:
        title = f"**Primary comparisons** ({num_seeds} seeds, test data)"
        parts.append(f"{title}\n\n{decided}")
    parts += [f"**{title}** (test data)\n\n{table}" for title, table in shown]
    return "\n\n".join(parts)


def status(rows: Sequence[Row], parts: Mapping[str, Iterable[Job]]) -> str:
    """Markdown: pieces done and planned of each part."""
    done = {piece(row) for row in rows}
    lines = [["part", "done", "of"]]
    for part, jobs in parts.items():
        own = {each for job in jobs for each in pieces_of(job)}
        lines.append([part, str(len(done & own)), str(len(own))])
    return markdown.table(lines)


def gaps(
    rows: Sequence[Row], world: str, arm: str, base: str, first: int = 1
) -> list[float]:
    """Differences within seeds of the mean accuracy from cycle `first` on, points."""
    one, two = (by_seed(rows, world, name) for name in (arm, base))
    return [
        accuracies(one[seed], first) - accuracies(two[seed], first)
        for seed in sorted(one.keys() & two.keys(), key=int)
    ]


def primary_table(
    rows: Sequence[Row],
    asked: Sequence[Comparison],
    heads: Sequence[str],
    num_seeds: int,
) -> str | None:
    """Markdown: comparisons of whole worlds, with p over the family; None: none is.

    Once all are there p is Holm's; before, Bonferroni's, which needs no other one and
    is never smaller.

    Args:
      rows: of the table of results.
      asked: the family.
      heads: over the cells of their names.
      num_seeds: of each of them.
    """
    measured = {each: gaps(rows, *each[1:]) for each in asked}
    open_worlds = {c.world for c, own in measured.items() if len(own) < num_seeds}
    found = {c: own for c, own in measured.items() if c.world not in open_worlds}
    if not found:
        return None
    alone = [primary.p_value(own) for own in found.values()]
    by_holm = len(found) == len(asked)
    adjusted = (
        primary.holm(alone) if by_holm else [min(1.0, len(asked) * p) for p in alone]
    )
    lines = [[*heads, "points", "p (Holm)" if by_holm else f"p (times {len(asked)})"]]
    for (comparison, each), p in zip(found.items(), adjusted, strict=True):
        shown = show(estimate(each), "+", digits=2)
        said = f"{p:.3f}" if p >= 0.0005 else "< 0.001"
        verdict = f"**{said}**" if p < primary.LEVEL else said
        lines.append([*comparison.name, shown, verdict])
    return markdown.table(lines)


def shown_rows(rows: Sequence[Row], hidden: Collection[Piece]) -> list[Row]:
    """All rows, but those of a world's primary pieces before the last of them is there.

    Who looks earlier may be tempted to stop, or to change something, then.
    """
    missing = {*hidden} - {piece(row) for row in rows}
    open_worlds = {world for world, _, _ in missing}
    return [
        row
        for row in rows
        if row["world"] not in open_worlds or piece(row) not in hidden
    ]


def arms_table(rows: Sequence[Row], world: str, base_of: Callable[[str], str]) -> str:
    """Markdown: every arm's accuracies, its difference to random, what it costs.

    Args:
      rows: of the table of results.
      world: of the arms.
      base_of: arm -> the one of random choice that it is compared with.
    """
    names = list(dict.fromkeys(row["arm"] for row in rows if row["world"] == world))
    sizes = sorted({int(row["labeled"]) for row in rows if row["world"] == world})
    heads = [f"at {size}" for size in sizes]
    lines = [["query / training", "seeds", *heads, "less random", "steps", "images"]]
    for name in names:
        seeds = list(by_seed(rows, world, name).values())
        cells = [
            f"{np.mean([100 * float(seed[i]['accuracy']) for seed in seeds]):.1f}"
            for i in range(len(sizes))
        ]
        base = base_of(name)
        less = gaps(rows, world, name, base) if base in names and name != base else []
        cells.append(show(estimate(less), "+", digits=1) if less else "")
        for key in ("network_steps", "images_forwarded"):
            cells.append(
                f"{np.mean([sum(int(r[key]) for r in s) for s in seeds]):,.0f}"
            )
        lines.append([name, str(len(seeds)), *cells])
    return markdown.table(lines)
