"""The committed rows as tables in experiments/README.md."""

from collections.abc import Sequence

import numpy as np

from experiments import primary, tables
from experiments.compare_digits import arms
from experiments.first_check.report import accuracies, by_seed
from gmmal_jax.report import estimate, markdown, show

Row = tables.Row
_COMMON = 1
"""Cycles at the start whose labels are the same for all arms: the first."""


def status(rows: Sequence[Row]) -> str:
    """Markdown: pieces done and planned."""
    done = {(row["world"], row["arm"], row["seed"]) for row in rows}
    planned = [(job.world, job.arm, str(job.seeds[0])) for job in arms.jobs()]
    main = set(arms.main_arms())
    lines = [["part", "done", "of"]]
    for part, wanted in (("exploratory", False), ("primary", True)):
        own = [key for key in planned if (key[1] in main) == wanted]
        lines.append([part, str(len(done & {*own})), str(len(own))])
    return markdown.table(lines)


def gaps(rows: Sequence[Row], world: str, arm: str, base: str) -> list[float]:
    """Differences within seeds of the mean accuracy after the first query, points."""
    one, two = (by_seed(rows, world, name) for name in (arm, base))
    return [
        accuracies(one[seed], _COMMON) - accuracies(two[seed], _COMMON)
        for seed in sorted(one.keys() & two.keys(), key=int)
    ]


def primary_table(rows: Sequence[Row]) -> str | None:
    """Markdown: the twelve comparisons; None before every seed of them is there."""
    asked = [(setting, other) for setting in primary.SETTINGS
             for other in primary.OTHERS]  # fmt: skip
    arm = arms.primary_arm(primary.QUERY)
    found = [
        gaps(rows, arms.WORLDS[setting], arm, arms.primary_arm(other))
        for setting, other in asked
    ]
    if any(len(each) < len(primary.SEEDS) for each in found):
        return None
    adjusted = primary.holm([primary.p_value(each) for each in found])
    lines = [["gmm less", "setting", "points", "p (Holm)"]]
    for (setting, other), each, p in zip(asked, found, adjusted, strict=True):
        shown = show(estimate(each), "+", digits=2)
        verdict = f"**{p:.3f}**" if p < primary.LEVEL else f"{p:.3f}"
        lines.append([other, setting, shown, verdict])
    return markdown.table(lines)


def shown_rows(rows: Sequence[Row]) -> list[Row]:
    """All rows, but those of primary arms before the last of their seeds is there.

    Who looks earlier may be tempted to stop, or to change something, then.
    """
    main = arms.main_arms()
    wanted = len(primary.SEEDS) * len(main) * len(arms.WORLDS)
    there = {(r["world"], r["arm"], r["seed"]) for r in rows if r["arm"] in main}
    whole = len(there) == wanted
    return [row for row in rows if whole or row["arm"] not in main]


def arms_table(rows: Sequence[Row], world: str) -> str:
    """Markdown: every arm's accuracies, its difference to random, what it costs."""
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
        base = _random_beside(name)
        less = gaps(rows, world, name, base) if base in names and name != base else []
        cells.append(show(estimate(less), "+", digits=1) if less else "")
        for key in ("network_steps", "images_forwarded"):
            cells.append(
                f"{np.mean([sum(int(r[key]) for r in s) for s in seeds]):,.0f}"
            )
        lines.append([name, str(len(seeds)), *cells])
    return markdown.table(lines)


def _random_beside(arm: str) -> str:
    """The arm of random choice with the same training, or with plain training."""
    own = f" / {primary.LEARNER}"
    return f"random{own}" if arm.endswith(own) else "random"


def write(rows: Sequence[Row]) -> None:
    """Put the tables between the markers of the README."""
    parts = [status(rows)]
    decided = primary_table(rows)
    if decided:
        parts.append(f"**Primary comparisons** (20 seeds, test data)\n\n{decided}")
    shown = shown_rows(rows)
    for setting, world in arms.WORLDS.items():
        if any(row["world"] == world for row in shown):
            parts.append(f"**{setting}** (test data)\n\n{arms_table(shown, world)}")
    tables.put("compare_digits", "\n\n".join(parts))
