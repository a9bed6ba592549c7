"""PNG and JPEG files as uint8 arrays of one shape.

What is done to a picture, in this order: EXIF's rotation is applied; 16-bit gray is
scaled to 8 bits; transparency is laid on white; with a size asked for, the largest
centered square is brought to it with an antialiasing bicubic filter. Where all
pictures are gray there is 1 channel, else 3.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmmal_jax.data.sources import decode
from gmmal_jax.data.sources.arrays import Arrays, require_classes
from gmmal_jax.errors import UserError


class Row(NamedTuple):
    """A picture and the index of its class."""

    path: Path
    label: int


Cut = Callable[[Sequence[Row]], np.ndarray]
"""Rows that can be read -> bool, whether each is one of the test part."""


class Begun(NamedTuple):
    """Where pictures are decoded to, and how far that is.

    Attributes:
      images: uint8, a row a picture; those that cannot be read leave no gaps.
      done: rows that were looked at before, from the first one on.
      bad: files that could not be read then, path -> reason.
      save: (rows looked at, files that cannot be read) -> they are kept.
    """

    images: np.ndarray
    done: int
    bad: dict[Path, str]
    save: Callable[[int, dict[Path, str]], None]


def in_memory(
    where: str, shape: tuple[int, ...], stamp: str, names: Sequence[str]
) -> Begun:
    """An empty array for pictures.

    Args:
      where: they lie, for errors.
      shape: of the array.
      stamp: of what will be in it.
      names: of their classes.

    Raises:
      UserError: there is not so much memory.
    """
    del stamp, names  # what is in memory is never gone on with
    try:
        return Begun(np.empty(shape, np.uint8), 0, {}, lambda done, bad: None)
    except MemoryError:
        gigabytes = f"{np.prod(shape, dtype=float) / 1e9:.0f} GB"
        remedy = (
            "bring them to a smaller size with --image-size N, or write them to a disk "
            "with gmmal datasets pack"
        )
        what = f"{where}: pictures do not fit into memory"
        raise UserError(what, gigabytes, remedy) from None


Empty = Callable[[str, tuple[int, ...], str, Sequence[str]], Begun]
"""Where pictures lie, for errors; a shape; what tells these pictures from others; names
of their classes -> an array to decode them into: `in_memory`, or one on a disk."""
SAVE_ROWS = 1000
"""Pictures after which it is kept how far it is."""


class _Known(NamedTuple):
    """What has been seen of files: no header is read twice.

    Attributes:
      headers: of those that can be read so far.
      bad: path -> reason of those that cannot.
    """

    headers: dict[Path, decode.Header]
    bad: dict[Path, str]


def read_uncut(
    where: str,
    rows: Sequence[Row],
    cut: Cut,
    names: Sequence[str],
    image_size: int | None,
    skipped: Sequence[tuple[str, str]] = (),
    empty: Empty = in_memory,
) -> Arrays:
    """As `read`, of rows whose test part is chosen here.

    A file that cannot be read never decides which rows are chosen.

    Args:
      where: the file or folder, for errors.
      rows: in order.
      cut: chooses the test part.
      names: one a class.
      image_size: see `read`.
      skipped: see `read`.
      empty: see `read`.

    Raises:
      UserError: as `read`, and whatever `cut` refuses.
    """
    known = _Known({}, {})
    bad = known.bad
    for row in rows:
        _look(row.path, known)
    while True:
        kept = [row for row in rows if row.path not in bad]
        _require_each_class(where, rows, rows, names, bad)
        parts: tuple[list[Row], list[Row]] = ([], [])
        for row, out in zip(kept, cut(kept), strict=True):
            parts[int(out)].append(row)
        before = len(bad)
        try:
            arrays = read(
                where, *parts, names, image_size, skipped, known=known, empty=empty
            )
        except UserError:
            if len(bad) == before:
                raise
            continue
        # What only its pixels give away has had a part in the choice: choose again.
        if len(bad) == before:
            return arrays


def read(
    where: str,
    train: Sequence[Row],
    test: Sequence[Row],
    names: Sequence[str],
    image_size: int | None,
    skipped: Sequence[tuple[str, str]] = (),
    channels: int | None = None,
    known: _Known | None = None,
    empty: Empty = in_memory,
) -> Arrays:
    """Decode pictures, one at a time, into one array.

    Args:
      where: the file or folder, for errors.
      train: rows of the training part, in order.
      test: rows of the test part, in order.
      names: one a class.
      image_size: side in pixels that pictures are brought to; None: as they are.
      skipped: (path, reason) of files that were passed over before.
      channels: 1 or 3; None: 1 where all pictures are gray.
      known: of the files so far; what is found here is added.
      empty: makes the array.

    Raises:
      UserError: sizes differ and none is asked for, a class without a readable
        picture in one of the parts, or arrays that do not fit into memory.
    """
    require_classes(where, len(names))
    known = known or _Known({}, {})
    bad, rows = known.bad, [*train, *test]
    for row in rows:
        _look(row.path, known)
    readable = {
        row.path: known.headers[row.path] for row in rows if row.path not in bad
    }
    _require_each_class(where, train, test, names, bad)
    shape = _shape(where, readable, image_size, channels)
    resized = image_size is not None
    begun = empty(where, (len(rows), *shape), _stamp(rows, shape, resized), names)
    images = begun.images
    kept = _fill(begun, rows, shape, resized, bad)
    _require_each_class(where, train, test, names, bad)
    labels = np.asarray([rows[index].label for index in kept], np.int32)
    cut = sum(index < len(train) for index in kept)
    unreadable = [(str(path), reason) for path, reason in bad.items()]
    return Arrays(
        images[:cut],
        labels[:cut],
        images[cut : len(kept)],
        labels[cut:],
        tuple(names),
        tuple(sorted([*skipped, *unreadable])),
    )


def _fill(
    begun: Begun,
    rows: Sequence[Row],
    shape: tuple[int, int, int],
    resized: bool,
    bad: dict[Path, str],
) -> list[int]:
    """Decode what is not decoded yet; the rows that are there then."""
    bad |= begun.bad
    kept = [index for index in range(begun.done) if rows[index].path not in bad]
    decoder = partial(_decode, shape=shape, resized=resized)
    for index in range(begun.done, len(rows)):
        path = rows[index].path
        array = None if path in bad else decode.attempt(decoder, path, bad)
        if array is not None:
            begun.images[len(kept)] = array
            kept.append(index)
        if (index + 1) % SAVE_ROWS == 0 or index + 1 == len(rows):
            begun.save(index + 1, bad)
    return kept


def _stamp(rows: Sequence[Row], shape: tuple[int, ...], resized: bool) -> str:
    """Of the files, their order and what is done to them."""
    import PIL

    digest = hashlib.sha256(f"{PIL.__version__} {shape} {resized}".encode())
    for row in rows:
        found = row.path.stat() if row.path.exists() else None
        file = (found.st_size, found.st_mtime_ns) if found else ()
        digest.update(f"{ascii(str(row.path))} {row.label} {file}\n".encode())
    return digest.hexdigest()


def _look(path: Path, known: _Known) -> None:
    """Read a header that is not known yet."""
    if path not in known.headers and path not in known.bad:
        header = decode.attempt(decode.header, path, known.bad)
        if header is not None:
            known.headers[path] = header


def _require_each_class(
    where: str,
    train: Sequence[Row],
    test: Sequence[Row],
    names: Sequence[str],
    bad: dict[Path, str],
) -> None:
    if bad and len(bad) >= len({row.path for row in (*train, *test)}):
        path, reason = next(iter(bad.items()))
        remedy = f"give PNG or JPEG files; {path}: {reason}"
        raise UserError(f"{where}: no picture can be read", None, remedy)
    for part, rows in (("training", train), ("test", test)):
        present = {row.label for row in rows if row.path not in bad}
        for label, name in enumerate(names):
            if label not in present:
                some = any(row.label == label for row in rows)
                state = "readable " if some else ""
                what = f"{where}: no {state}{part} pictures of class"
                raise UserError(what, name, "add some, or remove the class")


def _shape(
    where: str,
    headers: dict[Path, decode.Header],
    image_size: int | None,
    channels: int | None,
) -> tuple[int, int, int]:
    if channels is None:
        channels = 1 if all(header.gray for header in headers.values()) else 3
    if image_size is not None:
        return image_size, image_size, channels
    first, header = next(iter(headers.items()))
    for path, other in headers.items():
        if other.size != header.size:
            sizes = [f"{w}x{h}" for h, w in (header.size, other.size)]
            what = f"{where}: sizes differ: {first} is {sizes[0]}, {path} is {sizes[1]}"
            raise UserError(what, None, "bring them to one with --image-size N")
    return (*header.size, channels)


def _decode(
    path: Path, source: decode.Source, shape: tuple[int, int, int], resized: bool
) -> np.ndarray:
    """The picture as uint8 [h, w, ch], brought to that size where it may be."""
    from PIL import Image, ImageOps

    picture = decode.upright(path, source, gray=shape[-1] == 1)
    if picture.size != (shape[1], shape[0]):
        if not resized:
            raise ValueError("EXIF behind its pixels turns it to another size")
        picture = ImageOps.fit(picture, (shape[1], shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(picture).reshape(shape)
