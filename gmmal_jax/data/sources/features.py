"""Features that an encoder made: rows of numbers, with labels and ids beside them."""

import collections
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gmmal_jax.data.sources import labels, npz
from gmmal_jax.data.sources.arrays import UNKNOWN, UNUSABLE, Arrays, Ids, opened
from gmmal_jax.data.sources.scan import Found, Scan, checksum, once, scan
from gmmal_jax.errors import UserError

IDS = "ids.txt"
LABELS = "labels.csv"
BESIDE = (LABELS, "labels.npy")
_TYPES = ("float16", "float32", "float64")


class Given(NamedTuple):
    """What options say of features.

    Attributes:
      labels: file of labels; None: one of `BESIDE`, if it is there, or those within.
      broken: what becomes of rows with NaN or infinite numbers.
      remembered: what a run wrote down of the same files (`Found.remember`); a file of
        the same size and time is not read again for its checksum. None: nothing.
    """

    labels: str | None = None
    broken: Literal["refuse", "skip"] = "refuse"
    remembered: Mapping[str, Any] | None = None


class _Rows(NamedTuple):
    """Features [n, d] of both parts, and labels that came with them."""

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None
    test_labels: np.ndarray | None


def read(path: Path, given: Given) -> Found:
    """Read a .npy of rows [n, d], or a .npz of x_train, x_test and their labels.

    Labels of the training rows are y_train, or stand in a file of their own, or
    nowhere; a .npy has no test part, and a .npz need not have one.

    Raises:
      UserError: an unusable file, labels of unknown rows, broken rows that are not to
        be skipped.
    """
    rows = _npz(path) if path.suffix == ".npz" else _npy(path)
    (train, remember), (test, more) = (
        once(path, part, given.remembered, Scan, partial(scan, own))
        for part, own in (("train", rows.train), ("test", rows.test))
    )
    ids = _ids(path, len(rows.train))
    known = _labels(path, rows, ids, given.labels)
    test_labels = _test_labels(path, rows, known)
    skipped = []
    for name, part, own, classes in (
        ("x_train", train, rows.train, known.classes),
        ("x_test", test, rows.test, test_labels),
    ):
        skipped += _broken(path, name, part, own, given.broken, ids)
        classes[list(part.broken)] = UNUSABLE
    arrays = Arrays(
        rows.train, known.classes, rows.test, test_labels, known.names,
        tuple(skipped), ids,
    )  # fmt: skip
    whole = checksum((train.digest, test.digest), (known.classes, test_labels))
    return Found(arrays, train.mean, train.std, whole, remember | more)


def _npy(path: Path) -> _Rows:
    if not path.exists():
        raise UserError("--dataset: no such file", str(path), "check the path")
    remedy = "write it with numpy.save, as [rows, features] of numbers"
    found = opened(path, remedy)
    _require(path, "the array", found)
    return _Rows(found, found[:0], None, None)


def place_of_labels(path: Path) -> Path:
    """The file of labels where none is named: one beside, or the features' own.

    Args:
      path: of features that have labels.
    """
    if path.suffix == ".npz" and "y_train" in npz.members(path, (), ("y_train",)):
        return path
    return _beside(path) or path


def _npz(path: Path) -> _Rows:
    held = npz.members(path, ("x_train",), ("y_train", "x_test", "y_test"))
    if ("x_test" in held) != ("y_test" in held):
        remedy = "store both, or neither: then use --eval validation"
        raise UserError(f"{path}: x_test and y_test", "one of them", remedy)
    train = held["x_train"]
    _require(path, "x_train", train)
    test = held.get("x_test", train[:0])
    if len(test):
        _require(path, "x_test", test)
    if test.shape[1:] != train.shape[1:]:
        shapes = (train.shape[1], test.shape[1])
        raise UserError(f"{path}: widths differ", shapes, "make them equal")
    return _Rows(train, test, held.get("y_train"), held.get("y_test"))


def _require(path: Path, name: str, rows: np.ndarray) -> None:
    if rows.ndim != 2 or not rows.size:
        remedy = "use [rows, features], none of them 0"
        raise UserError(f"{path}: shape of {name}", rows.shape, remedy)
    if rows.dtype.name not in _TYPES:
        remedy = f"use {', '.join(_TYPES)}; pictures are for npz:PATH"
        raise UserError(f"{path}: dtype of {name}", str(rows.dtype), remedy)


def _ids(path: Path, num: int) -> Ids:
    """Of the training rows: a line each of ids.txt, or their numbers."""
    file = path.parent / IDS
    if not file.exists():
        return range(num)
    try:
        found = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: {error}", None, "save it as UTF-8 text") from None
    if len(found) != num:
        remedy = f"give one a row: {path.name} has {num}"
        raise UserError(f"{file}: ids", len(found), remedy)
    if len(set(found)) < num:
        twice = collections.Counter(found).most_common(1)[0][0]
        raise UserError(f"{file}: an id that comes twice", twice, "name rows apart")
    return found


def _labels(path: Path, rows: _Rows, ids: Ids, chosen: str | None) -> labels.Labels:
    """Of the training rows: the file that is named, those within, a file beside."""
    num = len(rows.train)
    if chosen is not None:
        return labels.read(Path(chosen).expanduser(), ids)
    if rows.train_labels is not None:
        return labels.of_array(f"{path}: y_train", rows.train_labels, num)
    found = _beside(path)
    return labels.unknown(num) if found is None else labels.read(found, ids)


def _beside(path: Path) -> Path | None:
    files = [path.parent / name for name in BESIDE]
    return next((file for file in files if file.exists()), None)


def _test_labels(path: Path, rows: _Rows, known: labels.Labels) -> np.ndarray:
    if rows.test_labels is None:
        return np.zeros(0, np.int32)
    where, num = f"{path}: y_test", len(rows.test)
    found = labels.of_array(where, rows.test_labels, num).classes
    if found.min(initial=0) == UNKNOWN:
        remedy = "label every row of the test part, or leave it out"
        raise UserError(f"{where}: labels hold", UNKNOWN, remedy)
    most = int(found.max(initial=-1))
    if most >= len(known.names):
        remedy = "every class of y_test needs training rows"
        raise UserError(f"{where} holds a class of its own", most, remedy)
    return found


def _broken(
    path: Path,
    name: str,
    found: Scan,
    rows: np.ndarray,
    broken: str,
    ids: Ids,
) -> list[tuple[str, str]]:
    """(row, reason) of broken rows that are to be skipped.

    Raises:
      UserError: they are to be refused, or there are no others.
    """
    if not found.broken:
        return []
    first = found.broken[0]
    many = f" ({len(found.broken)} such rows)" if len(found.broken) > 1 else ""
    infinite = bool(np.isinf(np.asarray(rows[first])).any())
    reason = "infinite numbers" if infinite else "NaN, or numbers beyond float32"
    if broken == "refuse" or len(found.broken) == len(rows):
        remedy = "repair them, or leave such rows out with --data.broken skip"
        if infinite and rows.dtype == np.float16:
            remedy = f"float16 ends at 65504: write float32; {remedy}"
        what = f"{path}: {name} holds {reason}{many}; row"
        raise UserError(what, first, remedy)
    names = ids if name == "x_train" else range(len(rows))
    reason = f"a row of {name} that holds {reason}"
    return [(str(names[row]), reason) for row in found.broken]
