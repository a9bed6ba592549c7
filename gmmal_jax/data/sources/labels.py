"""Labels beside features: a table of ids and labels, or an array of classes."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmmal_jax.data.sources import tables
from gmmal_jax.data.sources.arrays import (
    UNKNOWN,
    Ids,
    opened,
    require_distinct,
    sorted_names,
)
from gmmal_jax.errors import UserError, nearest

_COLUMNS = tables.Columns(
    ("id", "label"),
    ("id", "label"),
    "the head is id,label; commas part them, and rows without a label may be left out",
)


class Labels(NamedTuple):
    """Of rows, in their order.

    Attributes:
      classes: int32 [n], `UNKNOWN` where nobody has said.
      names: of the classes, one a number.
    """

    classes: np.ndarray
    names: tuple[str, ...]


def unknown(num: int) -> Labels:
    """Of rows that nobody has labeled."""
    return Labels(np.full(num, UNKNOWN, np.int32), ())


def read(path: Path, ids: Ids) -> Labels:
    """Read labels from .csv (id,label) or .npy (one integer a row, -1: unknown).

    Args:
      path: of the file.
      ids: of the rows.

    Raises:
      UserError: no such file, one of another form, ids that no row has or that come
        twice, classes that cannot be told apart.
    """
    if not path.exists():
        raise UserError("--labels: no such file", str(path), "check the path")
    if path.suffix == ".npy":
        return of_array(str(path), _array(path), len(ids))
    if path.suffix == ".csv":
        return _table(path, ids)
    raise UserError("--labels", str(path), "give a .csv (id,label) or a .npy")


def _array(path: Path) -> np.ndarray:
    return np.array(opened(path, "write it again with numpy.save, as plain integers"))


def of_array(where: str, values: np.ndarray, num: int) -> Labels:
    """Labels that are numbers of classes.

    Args:
      where: the file, for errors.
      values: int [num], -1: unknown.
      num: of the rows.

    Raises:
      UserError: other than that.
    """
    if not np.issubdtype(values.dtype, np.integer) or values.shape != (num,):
        found = f"{values.dtype} {values.shape}"
        raise UserError(f"{where}: labels", found, f"use {num} integers, one a row")
    low, high = int(values.min(initial=0)), int(values.max(initial=UNKNOWN))
    if low < UNKNOWN:
        remedy = "number classes from 0; -1: unknown"
        raise UserError(f"{where}: labels hold", low, remedy)
    if high >= num:
        remedy = "number classes from 0, without gaps"
        raise UserError(f"{where}: labels hold", high, remedy)
    return Labels(values.astype(np.int32), tuple(map(str, range(high + 1))))


def _table(path: Path, ids: Ids) -> Labels:
    # Row numbers need no table of millions of names.
    named = {} if isinstance(ids, range) else {name: i for i, name in enumerate(ids)}
    given = _given(path, named, len(ids))
    first: dict[str, str] = {}
    for line, label in given.values():
        first.setdefault(label, f"line {line}")
    require_distinct(str(path), first)
    names = sorted_names(first)
    number = {name: i for i, name in enumerate(names)}
    classes = np.full(len(ids), UNKNOWN, np.int32)
    for row, (_, label) in given.items():
        classes[row] = number[label]
    return Labels(classes, names)


def _given(
    path: Path, named: Mapping[str, int], num: int
) -> dict[int, tuple[int, str]]:
    """Row -> (line, label) of a table, without lines that have none.

    Args:
      path: of the table.
      named: id -> row; empty where rows go by their numbers.
      num: of the rows.
    """
    found: dict[int, tuple[int, str]] = {}
    seen: dict[int, int] = {}
    try:
        for number, values in tables.read_csv(path, _COLUMNS):
            name = values["id"] or ""
            label = tables.plain((values["label"] or "").strip())
            where = f"{path}: line {number}, id"
            row = _row(name, named, num)
            if row is None:
                raise UserError(where, name, _no_such(name.strip(), named, num))
            if row in seen:
                remedy = f"it stands in line {seen[row]} already; remove one"
                raise UserError(where, name, remedy)
            seen[row] = number
            if label:
                found[row] = number, label
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: {error}", None, "save it as UTF-8 text") from None
    except OSError as error:
        what = f"--labels: {error.strerror or error}"
        raise UserError(what, str(path), "check the path") from None
    return found


def _row(name: str, named: Mapping[str, int], num: int) -> int | None:
    """Of an id, also as our own tables write it; None: no row has it.

    A name of a file may begin or end with spaces; those that a person left are not its.
    """
    if not named:
        return _number(name.strip(), num)
    for text in (name, name.strip()):
        row = named.get(text, named.get(tables.plain(text)))
        if row is not None:
            return row
    return None


def _number(name: str, num: int) -> int | None:
    """A row's number as a person may write it; None: no row has it."""
    plain = name.isascii() and name.isdigit()
    return int(name) if plain and int(name) < num else None


def _no_such(name: str, named: Mapping[str, int], num: int) -> str:
    if not named:
        return f"rows are numbered 0 to {num - 1}, as there is no ids.txt beside them"
    # Among millions of ids a nearest name takes minutes to find.
    near = nearest(name, named) if len(named) <= 10_000 else None
    hint = f"; did you mean {near}?" if near else ""
    return f"no row has this id in ids.txt{hint}"
