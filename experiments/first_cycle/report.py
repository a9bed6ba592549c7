"""What is on record, what is left, and what it says: text and Markdown."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from experiments import tables
from experiments.first_cycle import pieces, run
from experiments.first_cycle.pieces import Piece
from gmmal_jax.report import markdown

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- first_cycle: begin -->", "<!-- first_cycle: end -->"


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
)


def status(rows: Sequence[tables.Row], scale: str) -> str:
    """Pieces done and left of each part, and the hours that are left.

    A piece that has no like on record is taken to last as long as the longest that has
    one: an estimate too high rather than too low.
    """
    planned = pieces.order(scale, rows)
    done = {run.key(row): row for row in rows}
    lines = [["part", "done", "of", "hours spent", "hours left, about"]]
    for part in dict.fromkeys(piece.part for piece in planned):
        own = [piece for piece in planned if piece.part == part]
        spent = [float(done[p.key]["seconds"]) for p in own if p.key in done]
        left = [_expected(p, rows) for p in own if p.key not in done]
        hours = f"{sum(left) / 3600:.1f}" if None not in left else "?"
        lines.append(
            [part, str(len(spent)), str(len(own)), f"{sum(spent) / 3600:.1f}", hours]
        )
    return markdown.table(lines)


def _expected(piece: Piece, rows: Sequence[tables.Row]) -> float | None:
    own = [row for row in rows if row["scale"] == piece.scale]
    alike = [float(r["seconds"]) for r in own if r["arm"] == piece.arm]
    if alike:
        return median(alike)
    steps = {r["network_steps"] for r in own}
    seconds = [float(r["seconds"]) for r in own]
    return max(seconds) if len(steps) > 1 else None
