"""Data sets by name: images or features, labels, and how to normalize them."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import (
    digits,
    features,
    folder,
    manifest,
    npy,
    npz,
    pictures,
    tfds as prepared,
    tiny_imagenet,
)
from gmmal_jax.data.sources.arrays import Arrays, Ids, moments
from gmmal_jax.errors import UserError, nearest


class Dataset(NamedTuple):
    """A data set, in memory or mapped into it.

    Attributes:
      name: as given on the command line.
      train_images: uint8 [n, h, w, ch], or features [n, d]; perhaps a memory map.
      train_labels: int32 [n], 0 to num_classes - 1; of features also `arrays.UNKNOWN`
        and, where a row is broken, `arrays.UNUSABLE`.
      test_images: [m, ...] likewise.
      test_labels: int32 [m].
      class_names: one a class.
      mean: [ch], of pixels scaled to [0, 1], or [d], of features.
      std: likewise.
      checksum: sha256 of the arrays, to notice other data at resume.
      skipped: (path, reason) of files that are no readable picture, of broken rows.
      remember: of features and `npy:`: what took a pass over a file.
      ids: names of the training rows, or their numbers; of features.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str
    skipped: tuple[tuple[str, str], ...] = ()
    remember: dict[str, Any] = {}
    ids: Ids = range(0)

    @property
    def pictures(self) -> bool:
        """Whether the rows are pictures, not features."""
        return self.train_images.ndim > 2

    @property
    def has_test_part(self) -> bool:
        """Told by its shape: who validates reads none of it."""
        return bool(self.test_images.shape[0])


# Mean and standard deviation as the code bases use them that the paper follows.
_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
PUBLISHED_MOMENTS = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "svhn_cropped": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
    "tiny_imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
TFDS_NAMES = ("cifar10", "cifar100", "svhn_cropped", "fashion_mnist", "mnist")
PICTURES = {
    "folder": folder.read,
    "manifest": manifest.read,
    "tiny_imagenet": tiny_imagenet.read,
}
KINDS = ("digits", *TFDS_NAMES, "tiny_imagenet:DIR", "folder:PATH", "manifest:FILE",
         "npz:PATH", "npy:DIR", "features:PATH")  # fmt: skip
_PATHS = {*PICTURES, "npz", "npy", "features"}
"""Kinds that a path follows."""
_NOTHING_SAID = features.Given()


def load(
    name: str,
    data_dir: str | None = None,
    image_size: int | None = None,
    given: features.Given = _NOTHING_SAID,
    empty: pictures.Empty = pictures.in_memory,
) -> Dataset:
    """Load a data set.

    Args:
      name: "digits" (scikit-learn's 1,797 images of 8x8), a name of `TFDS_NAMES`, or
        a kind and a path, as `KINDS` lists them.
      data_dir: folder of prepared TFDS data sets; None: TFDS's default.
      image_size: side in pixels that pictures are brought to; None: as they are.
      given: what is said of features, and remembered of them and of `npy:`.
      empty: makes the array that picture files are decoded into.

    Raises:
      UserError: unknown name, missing or unusable files, a size where there are no
        pictures to bring to it, labels where there are no features.
    """
    if given.labels is not None and not name.startswith("features:"):
        remedy = f"leave it out: {name} has labels of its own"
        raise UserError("--labels", given.labels, remedy)
    try:
        return _load(name, data_dir, image_size, given, empty)
    except OSError as error:  # a folder that may not be listed, a name too long
        reason = error.strerror or error
        remedy = "check the path and the right to read it"
        where = error.filename or name
        raise UserError(f"--dataset: {reason}", where, remedy) from None


def located(name: str) -> str:
    """A data set's name with its path made absolute, where it has one.

    So that a run is gone on with from any folder.
    """
    kind, _, rest = name.partition(":")
    if not rest or kind not in _PATHS:
        return name
    return f"{kind}:{Path(rest).expanduser().absolute()}"


def require_outside(name: str, out: Path) -> None:
    """Refuse a folder of ours among the class folders of `folder:`.

    It would be read as one of them, by the very call that makes it.

    Raises:
      UserError: it lies there, and not in a hidden folder, which is passed over.
    """
    kind, _, rest = name.partition(":")
    if kind != "folder" or not rest:
        return
    place, root = out.resolve(), Path(rest).expanduser().resolve()
    if not place.is_relative_to(root):
        return
    inside = place.relative_to(root).parts
    if not any(folder.is_clutter(Path(part)) for part in inside):
        remedy = "choose a folder outside of the pictures"
        raise UserError(f"--out: lies in the pictures of {name}", str(out), remedy)


def is_there(name: str) -> bool:
    """Whether something lies where a data set's name points to; true without a path."""
    kind, _, rest = name.partition(":")
    return not rest or Path(rest).expanduser().exists()


def _load(
    name: str,
    data_dir: str | None,
    image_size: int | None,
    given: features.Given,
    empty: pictures.Empty,
) -> Dataset:
    kind, _, rest = name.partition(":")
    if rest:
        path = Path(rest).expanduser()
        if path.exists() and not (path.is_file() or path.is_dir()):
            remedy = "give a regular file or a folder: this one could wait for ever"
            raise UserError("--dataset: a pipe or a device", str(path), remedy)
    if rest and kind in PICTURES:
        return _finish(name, PICTURES[kind](path, image_size, empty))
    known = name == "digits" or name in TFDS_NAMES or (rest and kind in _PATHS)
    if not known:
        raise _unknown(name)
    if image_size is not None:
        remedy = f"leave it out: {name} has a size of its own"
        raise UserError("--image-size", image_size, remedy)
    if name == "digits":
        return _finish(name, digits.read())
    if kind == "npz":
        return _finish(name, npz.read(path))
    if kind in ("npy", "features"):
        mapped = kind == "npy"
        found = (
            npy.read(path, given.remembered) if mapped else features.read(path, given)
        )
        arrays = found.arrays
        more = (found.checksum, arrays.skipped, found.remember, arrays.ids)
        return Dataset(name, *arrays[:5], found.mean, found.std, *more)
    return _finish(name, prepared.read(name, data_dir))


def _unknown(name: str) -> UserError:
    """The error that names the nearest data set."""
    what = "--dataset: unknown data set"
    path = Path(name)
    suffixes = {
        ".npz": "npz",
        ".npy": "features",
        ".csv": "manifest",
        ".jsonl": "manifest",
    }
    kind = "folder" if path.is_dir() else suffixes.get(path.suffix)
    if kind:
        return UserError(what, name, f"did you mean {kind}:{name}?")
    start, _, rest = name.partition(":")
    plain = {known.partition(":")[0]: known for known in KINDS}
    near = nearest(start, plain)
    if near is None:
        return UserError(what, name, f"use one of {', '.join(KINDS)}")
    meant = plain[near]
    if rest and ":" in meant:
        meant = f"{near}:{rest}"
    return UserError(what, name, f"did you mean {meant}? gmmal datasets lists all")


def _finish(name: str, arrays: Arrays) -> Dataset:
    digest = hashlib.sha256()
    for array in arrays[:4]:
        digest.update(np.ascontiguousarray(array).data)
    published = PUBLISHED_MOMENTS.get(name.partition(":")[0])
    mean, std = published or moments(arrays.train_images)
    return Dataset(name, *arrays[:5], mean, std, digest.hexdigest(), arrays.skipped)
