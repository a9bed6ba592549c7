"""Any pictures -> a folder that is mapped into memory: what `npy:DIR` reads.

Picture files are decoded straight into a file; no part of the data is held in memory
but what a source itself holds (arrays of an npz, TFDS data sets).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gmmal_jax.data import sources
from gmmal_jax.data.sources import npy, npz
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

_BLOCK_BYTES = 2**24
_SCRATCH = ".rows.part"


def pack(
    name: str, out: Path, data_dir: str | None = None, image_size: int | None = None
) -> sources.Dataset:
    """Write a data set's arrays, each whole or not at all.

    Args:
      name: of the data set, as `sources.load` takes it.
      out: a folder that is new, or holds what a killed call left.
      data_dir: see `sources.load`.
      image_size: see `sources.load`.

    Returns:
      The data set as it was read.

    Raises:
      UserError: unusable data; features, which are mapped as they are; a folder in use
        or with other files, or without room for the data.
    """
    kind = name.partition(":")[0]
    if kind in ("features", "npy"):
        remedy = f"use it as it is: --dataset {name}"
        raise UserError(f"{kind}: is mapped into memory already", name, remedy)
    with files.lock(out):
        _require_free(out)
        with _room(out):
            scratch = out / _SCRATCH
            dataset = sources.load(
                name,
                data_dir,
                image_size,
                empty=lambda _, shape: _mapped(scratch, shape),
            )
            for field, array in zip(npz.FIELDS, dataset[1:5], strict=True):
                _write(npy.file(out, field), array)
            text = "".join(f"{each}\n" for each in dataset.class_names)
            files.write_atomic(out / npy.CLASSES, text)
            scratch.unlink(missing_ok=True)
    return dataset


def _require_free(out: Path) -> None:
    own = {npy.file(out, field).name for field in npz.FIELDS}
    for path in sorted(out.iterdir()):
        if path.name == npy.CLASSES:
            raise UserError("--out: holds packed data", str(out), "choose another")
        if path.name not in own and path.name[0] != ".":
            remedy = "choose a folder of its own"
            raise UserError("--out: holds other files", str(path), remedy)


@contextmanager
def _room(out: Path) -> Iterator[None]:
    """A disk's refusal as a line."""
    try:
        yield
    except OSError as error:
        raise _no_room(error, out) from None


def _no_room(error: OSError, out: Path) -> UserError:
    remedy = "name a folder with room for the data"
    return UserError(f"--out: {error.strerror or error}", str(out), remedy)


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An array on the disk, its room reserved: a full one would end the process."""
    try:
        with open(path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)))
    except OSError as error:
        raise _no_room(error, path.parent) from None
    return np.memmap(path, np.uint8, "r+", shape=shape)


def _write(path: Path, array: np.ndarray) -> None:
    """As numpy.save does, block by block."""
    part = path.with_name(f".{path.name}.part")
    header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(array[:1]))
    header["shape"] = array.shape
    size = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    with open(part, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(array), size):
            file.write(np.ascontiguousarray(array[start : start + size]).data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    files.sync(path.parent)
