"""Tables that people write: what a slip of the pen may look like, in one line."""

import csv
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax.errors import UserError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula when it opens our table.

    Names of files come from elsewhere. `plain` takes the apostrophe off again.
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def plain(text: str) -> str:
    """A text as it was before `cell`."""
    return text[1:] if text.startswith(tuple(f"'{c}" for c in _FORMULA)) else text


class Columns(NamedTuple):
    """Of a table.

    Attributes:
      known: names that mean something; others are let be.
      required: those that must be there.
      remedy: where one is missing.
    """

    known: tuple[str, ...]
    required: tuple[str, ...]
    remedy: str


def read_csv(file: Path, columns: Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines of a CSV file with a head, with their numbers.

    Raises:
      UserError: no such columns, two of one name, a line that cannot be read.
      OSError, UnicodeDecodeError, csv.Error: the file cannot be.
    """
    # utf-8-sig: spreadsheets put a byte order mark first.
    with open(file, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        # None: the file is empty, and lacks every column.
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        distinct(file, [(name, None) for name in reader.fieldnames])
        require_columns(file, list(reader.fieldnames), columns)
        for first, values in _numbered(file, reader):
            if any("\n" in str(text) for text in values.values()):
                raise _open_quote(file, first, "it runs over the end of its line")
            if None in values:
                remedy = "quote values that hold a comma"
                what = f"{file}: line {reader.line_num} has more values than columns"
                raise UserError(what, values[None][0], remedy)
            yield reader.line_num, values


def _numbered(
    file: Path, reader: "csv.DictReader[str]"
) -> Iterator[tuple[int, dict[Any, Any]]]:
    """Rows and the line on which each begins."""
    while True:
        first = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _open_quote(file, first, str(error)) from None
        yield first, values


def _open_quote(file: Path, line: int, why: str) -> UserError:
    remedy = "close its quote; double a quote that stands inside one"
    return UserError(f"{file}: line {line}: {why}", None, remedy)


def distinct(file: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object or a head whose names come once."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UserError(f"{file}: two columns of one name", name, "remove one")
        found[name] = value
    return found


def require_columns(file: Path, found: list[str], columns: Columns) -> None:
    """Refuse a missing column, and one that is a slip of the pen for another."""
    for name in found:
        absent = [column for column in columns.known if column not in found]
        near = difflib.get_close_matches(name.lower(), absent, 1, 0.75)
        if name not in columns.known and near and ";" not in name:
            raise UserError(f"{file}: column", name, f"did you mean {near[0]}?")
    for column in columns.required:
        if column not in found:
            raise UserError(f"{file}: no column", column, columns.remedy)
