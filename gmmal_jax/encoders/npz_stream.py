"""Images in a file of `numpy.savez`, read row by row: never the whole array."""

import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError, reason

IMAGES, LABELS = "x_train", "y_train"
_AGAIN = "write it again with numpy.savez"


class Stream(NamedTuple):
    """Images of a file.

    Attributes:
      num: n.
      labels: [n] as text, "" where the file has a negative one; None: it has none.
      batches: (first batch, images a batch) -> uint8 [m, h, w] or [m, h, w, 1 or 3].
    """

    num: int
    labels: list[str] | None
    batches: Callable[[int, int], Iterator[np.ndarray]]


def find(path: Path) -> Stream:
    """Look at x_train, and read y_train where there is one.

    Raises:
      UserError: no such arrays, or others than uint8 images and integers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if f"{IMAGES}.npy" not in names:
                remedy = f"store {IMAGES} with numpy.savez"
                raise UserError(f"{path}: no array named", IMAGES, remedy)
            with archive.open(f"{IMAGES}.npy") as member:
                shape = _shape(path, member)
        labels = _labels(path, shape[0]) if f"{LABELS}.npy" in names else None
    except UserError:
        raise
    except Exception as error:  # of many kinds: NumPy runs a parser on what is there
        raise _unreadable(path, error) from None

    def batches(first: int, size: int) -> Iterator[np.ndarray]:
        return _batches(path, shape, first, size)

    return Stream(shape[0], labels, batches)


def _shape(path: Path, member: Any) -> tuple[int, ...]:
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, in_columns, dtype = read.get(version, read[2, 0])(member)
    if dtype != np.uint8:
        raise UserError(f"{path}: image dtype of {IMAGES}", str(dtype), "use uint8")
    well = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    if not well or not math.prod(shape):
        remedy = "use [n, h, w] or [n, h, w, 1 or 3], none of them 0"
        raise UserError(f"{path}: image shape of {IMAGES}", shape, remedy)
    if in_columns:
        remedy = "store numpy.ascontiguousarray of it"
        raise UserError(f"{path}: {IMAGES} is in Fortran's order", None, remedy)
    return tuple(shape)


def _labels(path: Path, num: int) -> list[str]:
    with np.load(path, allow_pickle=False) as file:
        labels = file[LABELS]
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (num,):
        found = f"{labels.dtype} {labels.shape}"
        remedy = f"use {num} integers, one an image"
        raise UserError(f"{path}: {LABELS}", found, remedy)
    return ["" if label < 0 else str(label) for label in labels.tolist()]


def _batches(
    path: Path, shape: tuple[int, ...], first: int, size: int
) -> Iterator[np.ndarray]:
    num, row = shape[0], math.prod(shape[1:])
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(f"{IMAGES}.npy") as member,
        ):
            _shape(path, member)
            member.seek(first * size * row, 1)
            for start in range(first * size, num, size):
                rows = min(size, num - start)
                content = member.read(rows * row)
                if len(content) < rows * row:
                    raise EOFError("it ends before its rows do")
                yield np.frombuffer(content, np.uint8).reshape(rows, *shape[1:])
    except UserError:
        raise
    except Exception as error:  # as above
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read", reason(error), _AGAIN)
