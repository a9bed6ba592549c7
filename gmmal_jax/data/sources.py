"""Data sets by name: uint8 images, integer labels, and how to normalize them."""

import hashlib
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError


class Dataset(NamedTuple):
    """A data set in memory.

    Attributes:
      name: as given on the command line.
      train_images: uint8 [n, h, w, ch].
      train_labels: int32 [n], 0 to num_classes - 1.
      test_images: uint8 [m, h, w, ch].
      test_labels: int32 [m].
      class_names: one a class.
      mean: [ch], of pixels scaled to [0, 1].
      std: [ch], likewise.
      checksum: sha256 of the arrays, to notice other data at resume.
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


# Mean and standard deviation as the code bases use them that the paper follows.
_CIFAR = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
PUBLISHED_MOMENTS = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "svhn_cropped": ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
}
TFDS_NAMES = ("cifar10", "cifar100", "svhn_cropped", "fashion_mnist", "mnist")
DIGITS_TEST = 500


def load(name: str, data_dir: str | None = None) -> Dataset:
    """Load a data set.

    Args:
      name: "digits" (scikit-learn's 1,797 images of 8x8), a name of `TFDS_NAMES`, or
        "npz:PATH" with x_train, y_train, x_test, y_test.
      data_dir: folder of prepared TFDS data sets; None: TFDS's default.

    Raises:
      UserError: unknown name, missing or unusable file.
    """
    if name == "digits":
        return _finish(name, *_digits())
    if name.startswith("npz:"):
        return _finish(name, *_npz(Path(name.removeprefix("npz:"))))
    if name in TFDS_NAMES:
        return _finish(name, *_tfds(name, data_dir))
    known = ", ".join(("digits", *TFDS_NAMES, "npz:PATH"))
    raise UserError("--dataset: unknown data set", name, f"use one of {known}")


def _digits() -> tuple:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int32)
    # The file is ordered by writer; a fixed shuffle makes the test part alike.
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:DIGITS_TEST], order[DIGITS_TEST:]
    names = tuple(str(digit) for digit in range(10))
    return images[train], labels[train], images[test], labels[test], names


def _npz(path: Path) -> tuple:
    fields = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [field for field in fields if field not in file]
            if missing:
                wanted = "store x_train, y_train, x_test, y_test with numpy.savez"
                raise UserError(f"{path}: no array named", missing[0], wanted)
            x_train, y_train, x_test, y_test = (file[field] for field in fields)
    except FileNotFoundError:
        raise UserError(
            "--dataset: no such file", str(path), "check the path"
        ) from None
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        remedy = "write it again with numpy.savez"
        raise UserError(f"{path}: cannot be read", str(error), remedy) from None
    x_train, x_test = (_images(path, x) for x in (x_train, x_test))
    y_train = _labels(path, "y_train", y_train, len(x_train))
    y_test = _labels(path, "y_test", y_test, len(x_test))
    if x_train.shape[1:] != x_test.shape[1:]:
        shapes = (x_train.shape[1:], x_test.shape[1:])
        raise UserError(f"{path}: image shapes differ", shapes, "make them equal")
    num_classes = int(max(y_train.max(), y_test.max())) + 1
    names = tuple(str(label) for label in range(num_classes))
    return x_train, y_train, x_test, y_test, names


def _images(path: Path, images: np.ndarray) -> np.ndarray:
    if images.dtype != np.uint8:
        raise UserError(
            f"{path}: image dtype", str(images.dtype), "use uint8, 0 to 255"
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        remedy = "use [n, h, w] or [n, h, w, 1 or 3] with n >= 1"
        raise UserError(f"{path}: image shape", images.shape, remedy)
    return images


def _labels(path: Path, name: str, labels: np.ndarray, num: int) -> np.ndarray:
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != (num,):
        found = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{path}: {name}", found, f"use {num} integers, one an image")
    if labels.min() < 0:
        low = int(labels.min())
        raise UserError(f"{path}: {name} holds", low, "number classes from 0")
    return labels.astype(np.int32)


def _tfds(name: str, data_dir: str | None) -> tuple:
    try:
        import tensorflow_datasets as tfds

        builder = tfds.builder(name, data_dir=data_dir)
        parts = [builder.as_data_source(split) for split in ("train", "test")]
    except Exception as error:  # TFDS raises many kinds for one cause: not prepared
        first = str(error).strip().splitlines()[0][:120] if str(error) else ""
        folder = data_dir or "~/tensorflow_datasets"
        remedy = (
            f"prepare it as array_record in {folder}, or point --data.dir at a folder "
            f"that holds it ({type(error).__name__}: {first})"
        )
        raise UserError(
            "--dataset: not found as a TFDS data set", name, remedy
        ) from None
    (x_train, y_train), (x_test, y_test) = (_stack(part) for part in parts)
    names = tuple(builder.info.features["label"].names)
    return x_train, y_train, x_test, y_test, names


def _stack(source: object) -> tuple[np.ndarray, np.ndarray]:
    rows = [source[i] for i in range(len(source))]  # type: ignore[index, arg-type]
    images = np.stack([row["image"] for row in rows])
    return images, np.asarray([row["label"] for row in rows], np.int32)


def _finish(
    name: str,
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_test: np.ndarray,
    y_test: np.ndarray,
    names: tuple[str, ...],
) -> Dataset:
    digest = hashlib.sha256()
    for array in (x_train, y_train, x_test, y_test):
        digest.update(np.ascontiguousarray(array).data)
    mean, std = PUBLISHED_MOMENTS.get(name) or _moments(x_train)
    return Dataset(
        name, x_train, y_train, x_test, y_test, names, mean, std, digest.hexdigest()
    )


def _moments(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    channels = images.shape[-1]
    flat = images.reshape(-1, channels)
    counts = np.stack([np.bincount(flat[:, c], minlength=256) for c in range(channels)])
    levels = np.arange(256) / 255.0
    mean = counts @ levels / len(flat)
    variance = np.maximum(counts @ levels**2 / len(flat) - mean**2, 1e-8)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())
