"""A table of pictures: path, label and, where wanted, split and group."""

import csv
import difflib
import json
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import cut, pictures
from gmmal_jax.data.sources.arrays import Arrays, require_distinct
from gmmal_jax.errors import UserError

COLUMNS = ("path", "label", "split", "group")
SPLITS = ("train", "test")


class _Line(NamedTuple):
    """A line of the table; split and group are empty where they are not given."""

    number: int
    path: Path
    label: str
    split: str
    group: str


def read(file: Path, image_size: int | None) -> Arrays:
    """Read a CSV or JSON Lines file with the columns path, label, split, group.

    Paths are relative to the file's folder; rows keep its order; classes are sorted
    by name, or by number where all are integers. Without splits `cut.test_part` makes
    a test part. A group never has rows in both parts.

    Raises:
      UserError: an unreadable file or line, a group in both parts; what
        `pictures.read` raises.
    """
    lines = _lines(file)
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

        return pictures.read_uncut(str(file), rows, chosen, names, image_size)
    parts: tuple[list[pictures.Row], list[pictures.Row]] = ([], [])
    for row, out in zip(rows, _given(file, lines), strict=True):
        parts[out].append(row)
    return pictures.read(str(file), *parts, names, image_size)


def _lines(file: Path) -> list[_Line]:
    readers = {".csv": _csv, ".jsonl": _jsonl}
    if file.suffix.lower() not in readers:
        raise UserError("--dataset: a manifest", str(file), "name it .csv or .jsonl")
    lines: list[_Line] = []
    seen: dict[str, int] = {}
    try:
        for number, values in readers[file.suffix.lower()](file):
            line = _line(file, number, values)
            key = os.path.normpath(line.path)
            if key in seen:
                remedy = f"it stands in line {seen[key]} already; remove one"
                raise UserError(f"{file}: line {number}, path", values["path"], remedy)
            seen[key] = number
            lines.append(line)
    except OSError as error:
        what = f"--dataset: {error.strerror or error}"
        raise UserError(what, str(file), "check the path") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: {error}", None, "save it as UTF-8 text") from None
    if not lines:
        raise UserError(f"{file}: has no rows", None, f"give {', '.join(COLUMNS)}")
    return lines


def _csv(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # utf-8-sig: spreadsheets put a byte order mark first.
    with open(file, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream, strict=True)
        if reader.fieldnames is not None:
            reader.fieldnames = [name.strip() for name in reader.fieldnames]
            _distinct(file, [(name, None) for name in reader.fieldnames])
            _require_columns(file, list(reader.fieldnames))
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


def _distinct(file: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object or a head whose names come once."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UserError(f"{file}: two columns of one name", name, "remove one")
        found[name] = value
    return found


def _require_columns(file: Path, found: list[str]) -> None:
    """Refuse a missing column, and one that is a slip of the pen for another."""
    for name in found:
        absent = [column for column in COLUMNS if column not in found]
        near = difflib.get_close_matches(name.lower(), absent, 1, 0.75)
        if name not in COLUMNS and near:
            raise UserError(f"{file}: column", name, f"did you mean {near[0]}?")
    for column in ("path", "label"):
        if column not in found:
            remedy = (
                "path and label are needed, split and group optional; commas part them"
            )
            raise UserError(f"{file}: no column", column, remedy)


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(file, encoding="utf-8-sig") as stream:
        for number, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                values = json.loads(text, object_pairs_hook=partial(_distinct, file))
            except ValueError as error:
                remedy = "write one JSON object a line"
                what = f"{file}: line {number} is not JSON"
                raise UserError(what, str(error), remedy) from None
            if not isinstance(values, dict):
                remedy = 'write {"path": ..., "label": ...}'
                raise UserError(f"{file}: line {number}", text.strip()[:60], remedy)
            _require_columns(file, list(values))
            yield number, values


def _line(file: Path, number: int, values: dict[str, Any]) -> _Line:
    texts = {}
    for column in COLUMNS:
        value = values.get(column)
        value = "" if value is None else value
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            remedy = "use a text or an integer"
            raise UserError(f"{file}: line {number}, {column}", value, remedy)
        texts[column] = str(value).strip()
    for column in ("path", "label"):
        if not texts[column]:
            remedy = "fill it in, or remove the line"
            raise UserError(f"{file}: line {number} has no {column}", None, remedy)
    if texts["split"] not in ("", *SPLITS):
        what = f"{file}: line {number}, split"
        raise UserError(what, texts["split"], f"use {' or '.join(SPLITS)}")
    path = _path(file.parent, texts["path"])
    return _Line(number, path, texts["label"], texts["split"], texts["group"])


def _path(folder: Path, text: str) -> Path:
    """The picture's; backslashes part folders where nothing bears them in its name."""
    path = folder / text
    if "\\" in text and not path.exists():
        return folder / PureWindowsPath(text).as_posix()
    return path


def _names(file: str, lines: list[_Line]) -> list[str]:
    names = {line.label for line in lines}
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.label, f"line {line.number}")
    require_distinct(file, first)
    try:
        return sorted(names, key=lambda name: (int(name), name))
    except ValueError:
        return sorted(names)


def _given(file: Path, lines: list[_Line]) -> list[bool]:
    """Is a row in the test part, as the table says."""
    home: dict[str, _Line] = {}
    for line in lines:
        if not line.split:
            remedy = "give every row a split, or none"
            raise UserError(f"{file}: line {line.number} has no split", None, remedy)
        first = home.setdefault(line.group, line) if line.group else line
        if first.split != line.split:
            remedy = f"move line {first.number} or {line.number}: a group is not parted"
            raise UserError(f"{file}: train and test share group", line.group, remedy)
    return [line.split == "test" for line in lines]
