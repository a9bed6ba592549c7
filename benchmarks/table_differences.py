"""Where the tables of two runs differ: for `same_bytes.py`."""

import csv
import io
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path

VIEWS = ("initial.csv", "results.csv", "queries.csv", "diagnostics.csv")
_MOST_COLUMNS = 6

Tables = Mapping[str, str]


def compare(
    there: Tables, here: Tables, patterns: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Compare the tables of a case.

    Args:
      there: name -> text.
      here: likewise.
      patterns: of columns of diagnostics.csv that are left out.

    Returns:
      What differs, a sentence a table; the columns left out, and whether they differ.
    """
    found, excepted = [], {}
    for name in sorted({*there, *here}):
        if name not in there or name not in here:
            found.append(f"{name}: only {'there' if name in there else 'here'}")
            continue
        before, after = there[name], here[name]
        if name.endswith("diagnostics.csv"):
            before, columns = leave_out(before, patterns)
            after, others = leave_out(after, patterns)
            for column in sorted({*columns, *others}):
                same = columns.get(column) == others.get(column)
                excepted[column] = excepted.get(column, True) and same
        sentence = difference(before, after)
        if sentence:
            found.append(f"{name}: {sentence}")
    return found, [c if same else f"{c} (differs)" for c, same in excepted.items()]


def leave_out(
    table: str, patterns: Sequence[str]
) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The text of a table without some columns, and these.

    Args:
      table: its cells hold no comma: numbers.
      patterns: of the names of columns to leave out.
    """
    rows = [line.split(",") for line in table.split("\n")]
    out = {
        index: name
        for index, name in enumerate(rows[0])
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    rest = [[cell for i, cell in enumerate(row) if i not in out] for row in rows]
    columns = {
        name: tuple(row[index] for row in rows[1:] if index < len(row))
        for index, name in out.items()
    }
    return "\n".join(",".join(row) for row in rest), columns


def difference(there: str, here: str) -> str | None:
    """Where the texts of two tables differ first, and in which columns; or None."""
    if there == here:
        return None
    before, after = (list(csv.reader(io.StringIO(text))) for text in (there, here))
    names = before[0] if before else []
    if before[:1] != after[:1]:
        return _other_columns(names, after[0] if after else [])
    first, columns = "", []
    for number, (old, new) in enumerate(zip_longest(before, after), start=1):
        if old == new:
            continue
        if old is None or new is None:
            short = f"{len(before)} lines there, {len(after)} here"
            first = f"{first}; {short}" if first else short
            break
        cells = zip(names, old, new, strict=False)
        wrong = {name: (a, b) for name, a, b in cells if a != b}
        columns += [name for name in wrong if name not in columns]
        if not first and wrong:
            name, (a, b) = next(iter(wrong.items()))
            first = f"line {number}: {name} is {a} there, {b} here"
    if not first:
        return "equal cells in different bytes"
    return f"{first}; columns: {_listed(columns)}" if columns else first


def _other_columns(there: Sequence[str], here: Sequence[str]) -> str:
    lost = [name for name in there if name not in here]
    new = [name for name in here if name not in there]
    parts = [f"columns only there: {_listed(lost)}"] if lost else []
    parts += [f"columns only here: {_listed(new)}"] if new else []
    return "; ".join(parts) or "columns in another order"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_COLUMNS
    return ", ".join(names[:_MOST_COLUMNS]) + (f" and {more} more" if more > 0 else "")


def read_tables(folder: Path) -> dict[str, str]:
    """The deterministic tables of a run and, if it has one, of its reference."""
    places = {"": folder}
    if (folder / "reference").exists():
        places["reference/"] = folder / "reference"
    # Through bytes: reading as text would make all line endings equal.
    return {
        prefix + view: (place / view).read_bytes().decode()
        for prefix, place in places.items()
        for view in VIEWS
    }
