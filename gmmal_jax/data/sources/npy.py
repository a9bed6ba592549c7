"""Pictures that no memory holds: x_train.npy and its like in a folder, mapped."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import npz
from gmmal_jax.data.sources.arrays import moments, opened, require_distinct
from gmmal_jax.data.sources.scan import Found, checksum, once
from gmmal_jax.errors import UserError

CLASSES = "classes.txt"
_BLOCK_ROWS = 1000


class _Look(NamedTuple):
    """What a pass over pictures finds: their sha256, moments of their channels."""

    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def file(folder: Path, field: str) -> Path:
    """Of an array: `x_train`, `y_train`, `x_test` or `y_test`."""
    return folder / f"{field}.npy"


def read(folder: Path, remembered: Mapping[str, Any] | None) -> Found:
    """Open the four files; pictures are read when they are wanted.

    Args:
      folder: where they lie.
      remembered: `Found.remember` of an earlier start; a file of the same size and time
        is not read again for checksum and moments. None: nothing.

    Raises:
      UserError: a missing or unusable file; see `npz.checked`.
    """
    if not folder.is_dir():
        raise UserError("--dataset: no such folder", str(folder), "check the path")
    arrays = npz.checked(folder, *(_open(folder, field) for field in npz.FIELDS))
    arrays = arrays._replace(class_names=_names(folder, arrays.class_names))
    (train, remember), (test, more) = (
        once(file(folder, field), field, remembered, _Look, partial(_look, images))
        for field, images in (
            ("x_train", arrays.train_images), ("x_test", arrays.test_images)
        )
    )  # fmt: skip
    labels = (arrays.train_labels, arrays.test_labels)
    whole = checksum((train.digest, test.digest), labels)
    return Found(arrays, train.mean, train.std, whole, remember | more)


def _names(folder: Path, numbers: tuple[str, ...]) -> tuple[str, ...]:
    """Of the classes: a line each of `CLASSES`, or their numbers."""
    path = folder / CLASSES
    if not path.exists():
        return numbers
    # Names of folders need not be UTF-8, and pack writes them as they are.
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    names = text.splitlines()
    if len(names) != len(numbers):
        remedy = f"give one a class: y_train has {len(numbers)}"
        raise UserError(f"{path}: names", len(names), remedy)
    require_distinct(str(path), {name: f"line {i}" for i, name in enumerate(names, 1)})
    if len(set(names)) < len(names):
        raise UserError(f"{path}: a name that comes twice", None, "name classes apart")
    return tuple(names)


def _open(folder: Path, field: str) -> np.ndarray:
    path = file(folder, field)
    if not path.exists():
        remedy = "write it with numpy.save, or all four with gmmal datasets pack"
        raise UserError("--dataset: no such file", str(path), remedy)
    found = opened(path, "write it again with numpy.save")
    return found if field.startswith("x") else np.array(found)


def _look(images: np.ndarray) -> _Look:
    digest = hashlib.sha256()
    for start in range(0, len(images), _BLOCK_ROWS):
        block = np.ascontiguousarray(images[start : start + _BLOCK_ROWS])
        digest.update(block.data)
    return _Look(digest.hexdigest(), *moments(images))
