"""Statistics as text for a person."""

from collections.abc import Sequence

import numpy as np

from gmmal_jax.report import markdown as markdowns
from gmmal_jax.report.runs import Run
from gmmal_jax.report.statistics import Estimate, Row, summarise

MAX_LINE = 100


def table(runs: Sequence[Run], *, markdown: bool = False) -> str:
    """The summary as text: accuracies, then differences to the reference.

    Args:
      runs: see `statistics.summarise`, which also says what is refused.
      markdown: bars between the columns, and a rule below the head.
    """
    rows = summarise(runs)
    head = ["accuracy (%)", "seeds", *(f"{size:,}" for size in rows[0].sizes), "Avg"]
    lines = [head, *(_accuracy_line(row) for row in rows)]
    lines += [_difference_line(row) for row in rows if row.reference]
    text = markdowns.table(lines) + "\n" if markdown else aligned(lines)
    notes = _notes(rows)
    return text + ("\n" + "\n".join(notes) + "\n" if notes else "")


def show(estimate: Estimate | None, sign: str = "", digits: int = 2) -> str:
    """An estimate as text: "1.23 ± 0.45", without an interval "1.23", None "".

    Args:
      estimate: what to show.
      sign: "+" to show it always.
      digits: behind the point.
    """
    if estimate is None:
        return ""
    mean = f"{estimate.mean:{sign}.{digits}f}"
    if estimate.half_width is None:
        return mean
    return f"{mean} ± {estimate.half_width:.{digits}f}"


def _accuracy_line(row: Row) -> list[str]:
    cells = [show(cell, "") for cell in (*row.cells, row.average)]
    return [row.label, str(len(row.seeds)), *cells]


def _difference_line(row: Row) -> list[str]:
    estimates = (*row.differences, row.average_difference)
    cells = [show(estimate, "+") for estimate in estimates]
    return [f"{row.label} - {row.reference}", str(len(row.seeds)), *cells]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of equal width; where a line grows too long, in blocks one by one.

    Args:
      lines: the head, then the rows; at least three columns, of which the first two
        stand in each block.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    fixed = widths[0] + widths[1] + 2
    at_once = max(1, (MAX_LINE - fixed) // (max(widths[2:]) + 2))
    num_blocks = -(-len(widths[2:]) // at_once)
    blocks = np.array_split(np.arange(2, len(widths)), num_blocks)
    return "\n".join(_block(lines, [0, 1, *block.tolist()], widths) for block in blocks)


def _block(
    lines: Sequence[Sequence[str]], columns: Sequence[int], widths: Sequence[int]
) -> str:
    rows = [
        "  ".join(
            line[i].rjust(widths[i]) if i else line[i].ljust(widths[i]) for i in columns
        ).rstrip()
        for line in lines
    ]
    rule = "-" * max(map(len, rows))
    return "\n".join([rows[0], rule, *rows[1:]]) + "\n"


def _notes(rows: Sequence[Row]) -> list[str]:
    """What the numbers do not say by themselves."""
    notes = []
    if any(len(row.seeds) > 1 for row in rows):
        notes.append("±: half width of the 95 % t-interval over seeds.")
    for row in rows:
        full = len(row.seeds)
        counts = [cell.num_seeds if cell else 0 for cell in row.cells]
        short = [
            f"{count} at {size:,}"
            for size, count in zip(row.sizes, counts, strict=True)
            if count < full
        ]
        if short:
            notes.append(f"{row.label}: of {full} seeds only {', '.join(short)}.")
    return notes
