"""What experiments share: tables of rows that outlast a kill."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from gmmal_jax.storage import files

Row = dict[str, str]


def load(path: Path) -> list[Row]:
    """Rows of earlier runs; none where there is no table yet."""
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def save(path: Path, rows: Sequence[Row]) -> None:
    """Write a table whole: a kill costs what is under way, no more."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_atomic(path, text.getvalue())
