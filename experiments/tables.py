"""What experiments share: tables of rows that outlast a kill."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from gmmal_jax.storage import files

README = Path(__file__).parent / "README.md"
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


def put(name: str, body: str) -> None:
    """Write between an experiment's two markers of experiments/README.md."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = README.read_text().split(begin)
    after = rest.split(end)[1]
    files.write_atomic(README, f"{before}{begin}\n\n{body}\n\n{end}{after}")
