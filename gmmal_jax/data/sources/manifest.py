"""A table of pictures: path, label and, where wanted, split and group."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import cut, pictures, tables
from gmmal_jax.data.sources.arrays import Arrays, require_distinct, sorted_names
from gmmal_jax.errors import UserError

COLUMNS = ("path", "label", "split", "group")
LABELED = tables.Columns(
    COLUMNS,
    ("path", "label"),
    "path and label are needed, split and group optional; commas part them",
)
PATHS = tables.Columns(
    COLUMNS, ("path",), "path is needed, label optional; commas part them"
)
SPLITS = ("train", "test")


class Line(NamedTuple):
    """A line of the table; a text that is not given is empty."""

    number: int
    path: Path
    label: str
    split: str
    group: str


def read(
    file: Path, image_size: int | None, empty: pictures.Empty = pictures.in_memory
) -> Arrays:
    """Read a CSV or JSON Lines file with the columns path, label, split, group.

    Paths are relative to the file's folder; rows keep its order; classes are sorted
    by name, or by number where all are integers. Without splits `cut.test_part` makes
    a test part. A group never has rows in both parts.

    Raises:
      UserError: an unreadable file or line, a group in both parts; what
        `pictures.read` raises.
    """
    lines = read_lines(file)
    names = _names(str(file), lines)
    index = {name: label for label, name in enumerate(names)}
    labels = [index[line.label] for line in lines]
    pairs = zip(lines, labels, strict=True)
    rows = [pictures.Row(line.path, label) for line, label in pairs]
    if not any(line.split for line in lines):
        groups = {line.path: line.group or None for line in lines}

        def chosen(rows: Sequence[pictures.Row]) -> np.ndarray:
            kept, own = [row.label for row in rows], [groups[row.path] for row in rows]
            return cut.test_part(str(file), kept, own, names)

        uncut = (rows, chosen, names, image_size)
        return pictures.read_uncut(str(file), *uncut, empty=empty)
    parts: tuple[list[pictures.Row], list[pictures.Row]] = ([], [])
    for row, out in zip(rows, _given(file, lines), strict=True):
        parts[out].append(row)
    return pictures.read(str(file), *parts, names, image_size, empty=empty)


def read_lines(
    file: Path, columns: tables.Columns = LABELED, option: str = "--dataset"
) -> list[Line]:
    """The lines of a table, in its order; nothing is known yet of its pictures.

    Args:
      file: ends in .csv or .jsonl.
      columns: `LABELED` or `PATHS`; what they require is also filled in.
      option: as in messages.

    Raises:
      UserError: an unreadable file or line, a path that stands there twice.
    """
    readers: dict[
        str, Callable[[Path, tables.Columns], Iterator[tuple[int, dict[str, Any]]]]
    ] = {".csv": tables.read_csv, ".jsonl": _jsonl}
    if file.suffix.lower() not in readers:
        raise UserError(f"{option}: a manifest", str(file), "name it .csv or .jsonl")
    lines: list[Line] = []
    seen: dict[str, int] = {}
    try:
        for number, values in readers[file.suffix.lower()](file, columns):
            line = _line(file, number, values, columns)
            key = os.path.normpath(line.path)
            if key in seen:
                remedy = f"it stands in line {seen[key]} already; remove one"
                raise UserError(f"{file}: line {number}, path", values["path"], remedy)
            seen[key] = number
            lines.append(line)
    except OSError as error:
        what = f"{option}: {error.strerror or error}"
        raise UserError(what, str(file), "check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: {error}", None, "save it as UTF-8 text") from None
    if not lines:
        raise UserError(f"{file}: has no rows", None, f"give {', '.join(COLUMNS)}")
    return lines


def _jsonl(file: Path, columns: tables.Columns) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(file, encoding="utf-8-sig") as stream:
        for number, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                values = json.loads(
                    text, object_pairs_hook=partial(tables.distinct, file)
                )
            except ValueError as error:
                remedy = "write one JSON object a line"
                what = f"{file}: line {number} is not JSON"
                raise UserError(what, str(error), remedy) from None
            if not isinstance(values, dict):
                remedy = 'write {"path": ..., "label": ...}'
                raise UserError(f"{file}: line {number}", text.strip()[:60], remedy)
            tables.require_columns(file, list(values), columns)
            yield number, values


def _line(
    file: Path, number: int, values: dict[str, Any], columns: tables.Columns
) -> Line:
    texts = {}
    for column in COLUMNS:
        value = values.get(column)
        value = "" if value is None else value
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            remedy = "use a text or an integer"
            raise UserError(f"{file}: line {number}, {column}", value, remedy)
        texts[column] = _text(f"{file}: line {number}, {column}", str(value)).strip()
    for column in columns.required:
        if not texts[column]:
            remedy = "fill it in, or remove the line"
            raise UserError(f"{file}: line {number} has no {column}", None, remedy)
    if texts["split"] not in ("", *SPLITS):
        what = f"{file}: line {number}, split"
        raise UserError(what, texts["split"], f"use {' or '.join(SPLITS)}")
    path = _path(file.parent, texts["path"])
    return Line(number, path, texts["label"], texts["split"], texts["group"])


def _text(where: str, text: str) -> str:
    r"""Refuse what no file can hold: JSON may name halves of a character, as \ud800.

    The bytes of a file's name that is not UTF-8, \udc80 to \udcff, can be held.
    """
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        remedy = "it holds half a character; write it whole"
        raise UserError(where, text, remedy) from None
    return text


def _path(folder: Path, text: str) -> Path:
    """The picture's; backslashes part folders where nothing bears them in its name."""
    path = folder / text
    if "\\" in text and not path.exists():
        return folder / PureWindowsPath(text).as_posix()
    return path


def _names(file: str, lines: list[Line]) -> list[str]:
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.label, f"line {line.number}")
    require_distinct(file, first)
    return list(sorted_names(first))


def _given(file: Path, lines: list[Line]) -> list[bool]:
    """Is a row in the test part, as the table says."""
    home: dict[str, Line] = {}
    for line in lines:
        if not line.split:
            remedy = "give every row a split, or none"
            raise UserError(f"{file}: line {line.number} has no split", None, remedy)
        first = home.setdefault(line.group, line) if line.group else line
        if first.split != line.split:
            remedy = f"move line {first.number} or {line.number}: a group is not parted"
            raise UserError(f"{file}: train and test share group", line.group, remedy)
    return [line.split == "test" for line in lines]
