"""Arrays in one file of `numpy.savez`: x_train, y_train, x_test, y_test."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmmal_jax.data.sources.arrays import Arrays, require_classes
from gmmal_jax.errors import UserError, reason

FIELDS = ("x_train", "y_train", "x_test", "y_test")
_AGAIN = "write it again with numpy.savez"


def read(path: Path) -> Arrays:
    """Read and check the four arrays.

    Raises:
      UserError: a missing, damaged or foreign file; arrays that are not uint8 images
        and a label for each; classes without training images.
    """
    return checked(path, *_fields(path))


def checked(
    path: Path,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
) -> Arrays:
    """The four arrays, of which a memory map stays one.

    Args:
      path: where they lie, for errors.
      x_train: uint8 [n, h, w] or [n, h, w, 1 or 3].
      y_train: integers [n].
      x_test: likewise.
      y_test: likewise.

    Raises:
      UserError: others than that; classes without training images.
    """
    x_train, x_test = (
        _images(path, name, x) for name, x in (("x_train", x_train), ("x_test", x_test))
    )
    if x_train.shape[1:] != x_test.shape[1:]:
        shapes = (x_train.shape[1:], x_test.shape[1:])
        raise UserError(f"{path}: image shapes differ", shapes, "make them equal")
    y_train = _labels(path, "y_train", y_train, len(x_train))
    y_test = _labels(path, "y_test", y_test, len(x_test))
    names = _classes(path, y_train, y_test)
    return Arrays(
        x_train, y_train.astype(np.int32), x_test, y_test.astype(np.int32), names
    )


def _fields(path: Path) -> list[np.ndarray]:
    found = members(path, FIELDS)
    return [found[field] for field in FIELDS]


def members(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Arrays of an npz file by name.

    Raises:
      UserError: a missing, damaged or foreign file, or no array of a required name.
    """
    if not path.exists():
        raise UserError("--dataset: no such file", str(path), "check the path")
    wanted = f"store {', '.join(required)} with numpy.savez"
    try:
        # numpy.load alone would also take a lone array or a pickle.
        if not zipfile.is_zipfile(path):
            raise UserError(f"{path}: cannot be read", "not an npz file", wanted)
        _require_memory(path, {*required, *optional})
        with np.load(path, allow_pickle=False) as file:
            missing = [field for field in required if field not in file]
            if missing:
                raise UserError(f"{path}: no array named", missing[0], wanted)
            there = [*required, *(field for field in optional if field in file)]
            return {field: _member(path, file, field) for field in there}
    except UserError:
        raise
    except Exception as error:  # of many kinds: it can be read as another format, too
        raise UserError(f"{path}: cannot be read", reason(error), _AGAIN) from None


def _require_memory(path: Path, fields: set[str]) -> None:
    """Refuse arrays that no memory here holds: zeros of a gigabyte pack into one MB."""
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
    wanted = sum(
        i.file_size for i in found if i.filename.removesuffix(".npy") in fields
    )
    most = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if wanted > most:
        remedy = f"this machine has {most / 1e9:.0f} GB: write .npy files, for npy:DIR"
        raise UserError(f"{path}: its arrays need", f"{wanted / 1e9:.0f} GB", remedy)


def _member(path: Path, file: np.lib.npyio.NpzFile, field: str) -> np.ndarray:
    try:
        return file[field]
    except Exception as error:  # of many kinds: zlib, struct, memory, syntax
        if "allow_pickle" in str(error):
            remedy = "store plain numbers: pickles are never opened"
            raise UserError(f"{path}: holds pickled objects", field, remedy) from None
        what = f"{path}: {field} cannot be read"
        raise UserError(what, reason(error), _AGAIN) from None


def _images(path: Path, name: str, images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8:
        raise _dtype_error(path, name, images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        remedy = "use [n, h, w] or [n, h, w, 1 or 3], none of them 0"
        raise UserError(f"{path}: image shape of {name}", images.shape, remedy)
    return images


def _dtype_error(path: Path, name: str, images: np.ndarray) -> UserError:
    remedy = "use uint8, 0 to 255"
    if np.issubdtype(images.dtype, np.floating) and images.size:
        bad = np.count_nonzero(~np.isfinite(images))
        if bad:
            what = f"{path}: {name} has NaN pixels or infinite ones"
            return UserError(what, int(bad), f"repair them and {remedy}")
        if images.min() >= 0 and images.max() <= 1:
            remedy = "multiply by 255, round, and store as uint8"
    return UserError(f"{path}: image dtype of {name}", str(images.dtype), remedy)


def _labels(path: Path, name: str, labels: np.ndarray, num: int) -> np.ndarray:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (num,):
        found = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{path}: {name}", found, f"use {num} integers, one an image")
    if labels.min() < 0:
        low = int(labels.min())
        raise UserError(f"{path}: {name} holds", low, "number classes from 0")
    return labels


def _classes(path: Path, y_train: np.ndarray, y_test: np.ndarray) -> tuple[str, ...]:
    """Names of the classes, once it is known that each has training images."""
    present = np.unique(y_train)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        remedy = f"number classes from 0 without gaps; y_train holds {present[gaps[0]]}"
        what = f"{path}: class {gaps[0]} has no images in y_train"
        raise UserError(what, None, remedy)
    require_classes(str(path), len(present))
    unknown = int(y_test.max())
    if unknown >= len(present):
        remedy = "every class of y_test needs training images"
        raise UserError(f"{path}: y_test holds a class of its own", unknown, remedy)
    return tuple(str(label) for label in range(len(present)))
