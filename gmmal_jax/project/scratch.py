"""Where pictures are decoded to while they are packed, for the next call to go on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from gmmal_jax.data.sources import pictures
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

_ROWS = ".rows.part"
_PROGRESS = ".rows.progress"


def begin(
    folder: Path, where: str, shape: tuple[int, ...], stamp: str
) -> pictures.Begun:
    """An array on the disk, a `pictures.Empty` but for folder and names of classes.

    Its room is reserved: a disk that is full later would end the process.

    Raises:
      UserError: there is no room.
    """
    rows, progress, size = folder / _ROWS, folder / _PROGRESS, int(np.prod(shape))
    done, bad = _saved(progress, stamp)
    if not done or not rows.exists() or rows.stat().st_size != size:
        done, bad = 0, {}
        progress.unlink(missing_ok=True)  # first: it must not speak of other rows
        with room(folder), open(rows, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
    images = np.memmap(rows, np.uint8, "r+", shape=shape)
    return pictures.Begun(images, done, bad, partial(_save, progress, stamp, images))


@contextmanager
def room(folder: Path) -> Iterator[None]:
    """A disk's refusal as a line."""
    try:
        yield
    except OSError as error:
        remedy = "make room and give the same command, or name a folder with room"
        what = f"--out: {error.strerror or error}"
        raise UserError(what, str(folder), remedy) from None


def remove(folder: Path) -> None:
    """Remove it, and whatever else killed calls left behind."""
    for pattern in (_PROGRESS, _ROWS, ".*.tmp-*", ".*.npy.part"):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _save(
    progress: Path, stamp: str, images: np.memmap, done: int, bad: dict[Path, str]
) -> None:
    """Bring rows to the disk, and only then say that they are there."""
    texts = [[str(path), reason] for path, reason in bad.items()]
    body = {"stamp": stamp, "done": done, "bad": texts}
    with room(progress.parent):
        images.flush()
        files.write_atomic(progress, files.seal(body))


def _saved(progress: Path, stamp: str) -> tuple[int, dict[Path, str]]:
    """What was saved of these very rows; nothing where it was of others, or damaged."""
    try:
        body = files.unseal(progress.read_bytes())
    except (FileNotFoundError, ValueError):
        return 0, {}
    if body["stamp"] != stamp:
        return 0, {}
    return body["done"], {Path(path): reason for path, reason in body["bad"]}
