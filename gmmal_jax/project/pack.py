"""Any pictures -> a folder that is mapped into memory: what `npy:DIR` reads.

Picture files are decoded straight into a file; no part of the data is held in memory
but what a source itself holds (arrays of an npz, TFDS data sets). A call that was
killed is gone on with by the next one: pictures that are decoded, and arrays that are
written, are not done again.
"""

import io
import os
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from gmmal_jax.data import sources
from gmmal_jax.data.sources import npy, npz, pictures
from gmmal_jax.errors import UserError
from gmmal_jax.project import scratch
from gmmal_jax.storage import files

_BLOCK_BYTES = 2**24


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
        or with other files, among the pictures, or without room for the data.
    """
    kind = name.partition(":")[0]
    if kind in ("features", "npy"):
        remedy = f"use it as it is: --dataset {shlex.quote(name)}"
        raise UserError(f"{kind}: is mapped into memory already", name, remedy)
    sources.require_outside(name, out)
    with files.lock(out):
        _require_free(out)
        with scratch.room(out):
            empty = partial(_empty, out)
            dataset = sources.load(name, data_dir, image_size, empty=empty)
            for field, array in zip(npz.FIELDS, dataset[1:5], strict=True):
                path = npy.file(out, field)
                if not _is_written(path, array):
                    _write(path, array)
            text = "".join(f"{each}\n" for each in dataset.class_names)
            files.write_atomic(out / npy.CLASSES, text)
            scratch.remove(out)
    return dataset


def _empty(
    out: Path, where: str, shape: tuple[int, ...], stamp: str, names: Sequence[str]
) -> pictures.Begun:
    """Where pictures are decoded to, if the names of their classes can be written.

    Raises:
      UserError: a name that is no line, as `npy.CLASSES` has one each; no room.
    """
    for name in names:
        if name.splitlines() != [name]:
            remedy = "give it a name without line breaks"
            raise UserError(f"{where}: a class's name", name, remedy)
    return scratch.begin(out, where, shape, stamp)


def _require_free(out: Path) -> None:
    own = {npy.file(out, field).name for field in npz.FIELDS}
    for path in sorted(out.iterdir()):
        if path.name == npy.CLASSES:
            scratch.remove(out)  # of a call that was killed at its very end
            remedy = f"use it, --dataset {shlex.quote(f'npy:{out}')}, or choose another"
            raise UserError("--out: holds packed data", str(out), remedy)
        if path.name not in own and path.name[0] != ".":
            remedy = "choose a folder of its own"
            raise UserError("--out: holds other files", str(path), remedy)


def _is_written(path: Path, array: np.ndarray) -> bool:
    """Whether a killed call has written the file: all of it, from the same data."""
    if not path.exists():
        return False
    with open(path, "rb") as file:
        same = all(file.read(len(piece)) == piece for piece in _pieces(array))
        return same and not file.read(1)


def _write(path: Path, array: np.ndarray) -> None:
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        for piece in _pieces(array):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    files.sync(path.parent)


def _pieces(array: np.ndarray) -> Iterator[memoryview | bytes]:
    """What numpy.save writes, block by block."""
    head = io.BytesIO()
    header = np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(array[:1]))
    header["shape"] = array.shape
    np.lib.format.write_array_header_1_0(head, header)
    yield head.getvalue()
    size = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), size):
        yield np.ascontiguousarray(array[start : start + size]).data.cast("B")
