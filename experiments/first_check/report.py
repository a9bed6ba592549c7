"""The committed rows as tables in experiments/README.md."""

from collections.abc import Sequence

import numpy as np

from experiments import tables
from experiments.first_check import tune
from experiments.first_check.arms import CONTRASTS, Contrast
from gmmal_jax.report import Estimate, estimate, markdown, show

Row = tables.Row


def by_seed(rows: Sequence[Row], world: str, arm: str) -> dict[str, list[Row]]:
    """Seed -> the arm's rows, by cycle."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if (row["world"], row["arm"]) == (world, arm):
            found.setdefault(row["seed"], []).append(row)
    return {s: sorted(r, key=lambda row: int(row["cycle"])) for s, r in found.items()}


def accuracies(rows: Sequence[Row], first: int = 0) -> float:
    """Mean accuracy over a seed's cycles from `first` on, in per cent."""
    return 100 * float(np.mean([float(row["accuracy"]) for row in rows[first:]]))


def arms_table(rows: Sequence[Row], world: str) -> str:
    """Markdown: every arm's accuracies and what they cost."""
    names = list(dict.fromkeys(row["arm"] for row in rows if row["world"] == world))
    sizes = sorted({int(row["labeled"]) for row in rows if row["world"] == world})
    head = [f"at {size}" for size in sizes]
    columns = ["query / training", *head, "mean", "steps", "critic", "images"]
    lines = [columns]
    for name in names:
        seeds = list(by_seed(rows, world, name).values())
        cells = [
            f"{np.mean([100 * float(s[i]['accuracy']) for s in seeds]):.1f}"
            for i in range(len(sizes))
        ]
        mean = estimate([accuracies(seed) for seed in seeds])
        spent = [
            int(np.mean([sum(int(row[key]) for row in seed) for seed in seeds]))
            for key in ("network_steps", "critic_steps", "images_forwarded")
        ]
        counts = [str(spent[0]), str(spent[1]), f"{spent[2]:,}"]
        lines.append([name, *cells, show(mean), *counts])
    return markdown.table(lines)


def difference(rows: Sequence[Row], world: str, contrast: Contrast) -> Estimate | None:
    """Paired difference over seeds; None where no seed has both."""
    arm, base = (by_seed(rows, world, name) for name in contrast[1:3])
    shared = sorted(arm.keys() & base.keys())
    first = contrast.first
    gaps = [accuracies(arm[s], first) - accuracies(base[s], first) for s in shared]
    return estimate(gaps)


def contrasts_table(rows: Sequence[Row]) -> str:
    """Markdown: every question's paired difference, a column a world."""
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    lines = [["points", *worlds]]
    for contrast in CONTRASTS:
        found = [difference(rows, world, contrast) for world in worlds]
        lines.append([contrast.question, *map(_signed, found)])
    return markdown.table(lines)


def why_table(log: Sequence[Row]) -> str:
    """Markdown: what DA does to digits in each form, beside the same without it."""
    lines = [["form", "on", "off", "on - off", "gap on", "gap off"]]
    for form in tune.FORMS:
        on, off = (f"{tune.WHY_ARM} {form}, {weight}" for weight in ("on", "off"))
        found = [by_seed(log, "digits", name) for name in (on, off)]
        cells = [f"{np.mean([accuracies(r) for r in s.values()]):.1f}" for s in found]
        change = difference(log, "digits", Contrast(form, on, off))
        assert change is not None
        cells.append(_signed(change))
        gaps = [[float(r[0]["critic_gap"]) for r in s.values()] for s in found]
        cells += [f"{np.mean(values):.2f}" for values in gaps]
        lines.append([form, *cells])
    return markdown.table(lines)


def trials_table(log: Sequence[Row]) -> str:
    """Markdown: every configuration that was looked at on validation data."""
    lines = [["world, trial", "accuracy", "pull", "gap", "AUC", "steps", "images"]]
    for world, arm in dict.fromkeys((row["world"], row["arm"]) for row in log):
        seeds = [seed[0] for seed in by_seed(log, world, arm).values()]
        mean = estimate([accuracies([row]) for row in seeds])
        cells = [show(mean, digits=1)]
        for name in ("reg_pull", "critic_gap", "held_out_auc"):
            known = [float(row[name]) for row in seeds if row[name]]
            cells.append(f"{np.mean(known):.2g}" if known else "")
        cells += [seeds[0]["network_steps"], f"{int(seeds[0]['images_forwarded']):,}"]
        lines.append([f"{world}, {arm}", *cells])
    return markdown.table(lines)


def write(rows: Sequence[Row], log: Sequence[Row]) -> None:
    """Put the tables between the markers of the README."""
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    parts = [contrasts_table(rows)]
    parts += [f"**{world}**\n\n{arms_table(rows, world)}" for world in worlds]
    parts += [f"**Why DA hurts on digits** (validation data)\n\n{why_table(log)}"]
    parts += [f"**Trials** (validation data)\n\n{trials_table(log)}"]
    tables.put("first_check", "\n\n".join(parts))


def _signed(found: Estimate | None) -> str:
    """A difference; bold where its interval leaves out 0."""
    text = show(found, "+", digits=1)
    if found is None or found.half_width is None or abs(found.mean) <= found.half_width:
        return text
    return f"**{text}**"
