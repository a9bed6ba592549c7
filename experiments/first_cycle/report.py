"""What is on record, what is left, and what it says: text and Markdown."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from experiments import tables
from experiments.first_cycle import pieces, run
from gmmal_jax.report import Estimate, estimate, markdown, show

COLUMNS = {
    "labeled": ("labeled_accuracy", 100.0, 1),
    "distance before": ("distance_before", 1.0, 2),
    "after": ("distance", 1.0, 2),
    "spread": ("spread", 1.0, 2),
    "pull": ("reg_pull", 1.0, 4),
    "gap": ("critic_gap", 1.0, 2),
    "penalty": ("critic_penalty", 1.0, 4),
    "AUC": ("critic_auc", 1.0, 2),
    "held out": ("held_out_auc", 1.0, 2),
    "entropy": ("critic_entropy", 1.0, 2),
}
"""Heading -> (column of the table, factor, digits)."""


class Contrast(NamedTuple):
    """A difference within seeds that answers a question."""

    question: str
    arm: str
    base: str


CONTRASTS = (
    Contrast("Reg", "reg", "ce"),
    Contrast("stage 2's steps, labeled batches only", "longer", "reg"),
    Contrast("BatchNorm sees the pool", "pool forward", "longer"),
    Contrast("DA", "da", "pool forward"),
    Contrast("DA, gradient cut", "da, gradient cut", "pool forward"),
    Contrast("DA, critic on latents only", "da, latents only", "pool forward"),
    Contrast("all to the letter", "da, literal", "pool forward"),
)
NEEDS = (
    Contrast("as it is", "da", "pool forward"),
    Contrast("weight 0.1", "da, weight 0.1", "pool forward"),
    Contrast("weight 10", "da, weight 10", "pool forward"),
    *(Contrast(form, f"da, {form}", f"pool forward, {form}") for form in pieces.FORMS),
)
"""DA in several forms, each less the weight 0 of its own."""


def contrasts(scale: str) -> tuple[Contrast, ...]:
    """The questions that test data answers at a scale."""
    long = f"{pieces.SCALES[scale].long:,} steps"
    at_length = [
        Contrast(f"{question}, {long}", f"{arm}, {long}", f"{base}, {long}")
        for question, arm, base in CONTRASTS
        if {arm, base} <= pieces.STAGE_2.keys()
    ]
    return (*CONTRASTS, *at_length)


def status(rows: Sequence[tables.Row], scale: str) -> str:
    """Pieces done and left of each part, and the hours that are left, as Markdown.

    Args:
      rows: on record.
      scale: a key of `pieces.SCALES`.
    """
    planned = pieces.order(scale, rows)
    if pieces.recipe(scale, rows) is None:  # any rate has as many pieces
        planned += list(pieces.reported(scale, {}))
    done = {run.key(row): float(row["seconds"]) for row in rows}
    paces = [done[p.key] / p.images() for p in planned if done.get(p.key)]
    lines = [["part", "done", "of", "hours spent", "hours left, about"]]
    for part in pieces.PARTS:
        own = [piece for piece in planned if piece.part == part]
        spent = [done[piece.key] for piece in own if piece.key in done]
        left = sum(piece.images() for piece in own if piece.key not in done)
        hours = f"{left * median(paces) / 3600:.1f}" if paces else "?"
        shown = f"{sum(spent) / 3600:.1f}"
        lines.append([part, str(len(spent)), str(len(own)), shown, hours])
    return markdown.table(lines)


def recipes_table(rows: Sequence[tables.Row], scale: str) -> str:
    """Markdown: the two rates on validation data."""
    seeds = [str(seed) for seed in pieces.SEEDS[pieces.RECIPE]]
    lines = [["recipe", *seeds, "mean"]]
    for name in pieces.RATES:
        own = _by_seed(rows, scale, "balanced", "validation", name)
        cells = [f"{_accuracy(own[s]):.2f}" if s in own else "" for s in seeds]
        mean = estimate([_accuracy(row) for row in own.values()]) if own else None
        lines.append([name, *cells, show(mean, digits=2)])
    return markdown.table(lines)


def arms_table(rows: Sequence[tables.Row], scale: str, setting: str) -> str:
    """Markdown: every arm that has a row on test data, means over its seeds."""
    own = [r for r in rows if (r["scale"], r["setting"]) == (scale, setting)]
    names = dict.fromkeys(row["arm"] for row in own if row["eval"] == "test")
    lines = [["arm", "seeds", "accuracy", *COLUMNS, "minutes"]]
    for name in names:
        found = list(_by_seed(rows, scale, setting, "test", name).values())
        accuracy = show(estimate([_accuracy(row) for row in found]), digits=1)
        cells = [_mean(found, *how) for how in COLUMNS.values()]
        minutes = f"{median(float(row['seconds']) for row in found) / 60:.0f}"
        lines.append([name, str(len(found)), accuracy, *cells, minutes])
    return markdown.table(lines)


def contrasts_table(rows: Sequence[tables.Row], scale: str) -> str:
    """Markdown: every question's paired difference, balanced and imbalanced."""
    settings = ("balanced", "imbalanced")
    lines = [["points", *settings]]
    for contrast in contrasts(scale):
        found = [difference(rows, scale, setting, contrast) for setting in settings]
        lines.append([contrast.question, *(show(f, "+", digits=1) for f in found)])
    return markdown.table(lines)


def needs_table(rows: Sequence[tables.Row], scale: str) -> str:
    """Markdown: DA in several forms on validation data, with what the critic saw."""
    head = ["form", "seeds", "on", "off", "on - off", "gap on", "off", "AUC on", "off"]
    lines = [head]
    for contrast in NEEDS:
        gain = difference(rows, scale, "balanced", contrast, "validation")
        if gain is None:
            continue
        pair = [
            list(_by_seed(rows, scale, "balanced", "validation", name).values())
            for name in (contrast.arm, contrast.base)
        ]
        means = [_mean(own, "accuracy", 100.0, 1) for own in pair]
        critic = [
            _mean(own, *COLUMNS[name]) for name in ("gap", "held out") for own in pair
        ]
        shown = show(gain, "+", digits=1)
        lines.append([contrast.question, str(gain.num_seeds), *means, shown, *critic])
    return markdown.table(lines)


def difference(
    rows: Sequence[tables.Row],
    scale: str,
    setting: str,
    contrast: Contrast,
    eval: str = "test",
) -> Estimate | None:
    """Mean difference within seeds, in points; None where no seed has both arms.

    Two arms of stage 2 are compared only where they began with the same network: one
    that was trained again on another machine differs in its last digits.
    """
    arm, base = (
        _by_seed(rows, scale, setting, eval, name)
        for name in (contrast.arm, contrast.base)
    )
    pairs = [(arm[seed], base[seed]) for seed in arm if seed in base]
    gaps = [_accuracy(one) - _accuracy(two) for one, two in pairs if _paired(one, two)]
    return estimate(gaps) if gaps else None


def _paired(one: tables.Row, two: tables.Row) -> bool:
    if one["begins_with"] and two["begins_with"]:
        literal = "literal" in one["arm"]  # it has a stage 1 of its own
        return literal or one["begins_with"] == two["begins_with"]
    return True


def write(rows: Sequence[tables.Row]) -> None:
    """Put the tables between the markers of the README."""
    tables.put("first_cycle", body(rows))


def body(rows: Sequence[tables.Row]) -> str:
    """What stands between the markers: every scale that has rows."""
    scales = dict.fromkeys(row["scale"] for row in rows)
    return "\n\n".join(part for scale in scales for part in _parts(rows, scale))


def _parts(rows: Sequence[tables.Row], scale: str) -> list[str]:
    own = [row for row in rows if row["scale"] == scale]
    parts = [
        f"**Pieces, scale {scale}**\n\n{status(own, scale)}",
        f"**Recipe, scale {scale}** (validation data)\n\n{recipes_table(own, scale)}",
    ]
    for setting in ("balanced", "imbalanced"):
        if any((r["setting"], r["eval"]) == (setting, "test") for r in own):
            title = f"**Arms, scale {scale}, {setting}** (test data)"
            parts.append(f"{title}\n\n{arms_table(own, scale, setting)}")
    if is_complete(own, scale):
        title = f"**Differences within seeds, scale {scale}**"
        parts.append(f"{title}\n\n{contrasts_table(own, scale)}")
    if any(difference(own, scale, "balanced", c, "validation") for c in NEEDS):
        title = f"**What DA needs, scale {scale}** (validation data)"
        parts.append(f"{title}\n\n{needs_table(own, scale)}")
    return parts


def is_complete(rows: Sequence[tables.Row], scale: str) -> bool:
    """Whether the balanced part is on record: before, no difference is shown."""
    done = {run.key(row) for row in rows}
    balanced = [p for p in pieces.reported(scale, {}) if p.part == pieces.BALANCED]
    return all(piece.key in done for piece in balanced)


def _by_seed(
    rows: Sequence[tables.Row], scale: str, setting: str, eval: str, arm: str
) -> dict[str, tables.Row]:
    wanted = (scale, setting, eval, arm)
    return {
        row["seed"]: row
        for row in rows
        if (row["scale"], row["setting"], row["eval"], row["arm"]) == wanted
    }


def _accuracy(row: tables.Row) -> float:
    return 100 * float(row["accuracy"])


def _mean(rows: Sequence[tables.Row], column: str, factor: float, digits: int) -> str:
    known = [float(row[column]) for row in rows if row[column]]
    return f"{factor * sum(known) / len(known):.{digits}f}" if known else ""
