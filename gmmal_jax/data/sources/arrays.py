"""What every kind of source hands back, and what must hold for all of them."""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError, reason

UNKNOWN, UNUSABLE = -1, -2
"""In place of a label: nobody has said; a row whose numbers are broken."""


Ids = list[str] | range
"""Names of rows, or their numbers where they have no names."""


class Arrays(NamedTuple):
    """Images and labels as they were read.

    Attributes:
      train_images: uint8 [n, h, w, ch], or [n, d] features, perhaps a memory map.
      train_labels: int32 [n]; of features also `UNKNOWN` and `UNUSABLE`.
      test_images: [m, ...] likewise.
      test_labels: int32 [m].
      class_names: one a class.
      skipped: (path, reason) of files that are no readable picture, of rows that are
        broken.
      ids: names of the training rows, or their numbers; of features.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    ids: Ids = range(0)


def opened(path: Path, remedy: str) -> np.ndarray:
    """The array of an .npy file, mapped into memory.

    Args:
      path: of the file, which is there.
      remedy: where it cannot be read.

    Raises:
      UserError: a damaged or foreign file, objects in place of numbers.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of many kinds: NumPy runs a parser on what is there
        raise UserError(f"{path}: cannot be read", reason(error), remedy) from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise UserError(f"{path}: an npz file", None, "name it .npz")
    return found


def require_distinct(where: str, names: Mapping[str, str]) -> None:
    """Refuse classes that a person cannot tell apart: one class written two ways.

    Args:
      where: the file or folder, for errors.
      names: class -> where it stands.

    Raises:
      UserError: two that differ only by Unicode form, spaces or invisible characters.
    """
    seen: dict[str, str] = {}
    for name, place in names.items():
        other = seen.setdefault(_visible(name), name)
        if other != name:
            pair = f"{ascii(other)} ({names[other]}) and {ascii(name)} ({place})"
            remedy = "write both alike: they differ by what cannot be seen"
            raise UserError(f"{where}: classes look the same: {pair}", None, remedy)


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Classes by name, or by number where all are integers."""
    names = set(names)
    try:
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    except ValueError:
        return tuple(sorted(names))


def _visible(name: str) -> str:
    """What can be seen of a name."""
    text = "".join(c for c in name if unicodedata.category(c) not in ("Cf", "Cc"))
    return " ".join(unicodedata.normalize("NFC", text).split())


def moments(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of pixels scaled to [0, 1].

    Args:
      images: uint8 [n, h, w, ch].
    """
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), 1000):  # bincount's own copy has 8 bytes a pixel
        flat = images[start : start + 1000].reshape(-1, channels)
        counts += [np.bincount(flat[:, c], minlength=256) for c in range(channels)]
    levels, pixels = np.arange(256) / 255.0, counts[0].sum()
    mean = counts @ levels / pixels
    variance = np.maximum(counts @ levels**2 / pixels - mean**2, 1e-8)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())


def require_classes(where: str, num_classes: int) -> None:
    """Refuse a data set that has nothing to tell apart.

    Raises:
      UserError: fewer than two classes.
    """
    if num_classes < 2:
        raise UserError(f"{where}: number of classes", num_classes, "give two or more")
