"""What every kind of source hands back, and what must hold for all of them."""

from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError


class Arrays(NamedTuple):
    """Images and labels as they were read.

    Attributes:
      train_images: uint8 [n, h, w, ch].
      train_labels: int32 [n].
      test_images: uint8 [m, h, w, ch].
      test_labels: int32 [m].
      class_names: one a class.
      skipped: (path, reason) of files that are no readable picture.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...] = ()


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
