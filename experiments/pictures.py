"""Published pictures at half their side, and fewer of them, for runs on a CPU."""

import hashlib
import io
from pathlib import Path

import numpy as np

from gmmal_jax.data import sources
from gmmal_jax.storage import files


def place(
    path: Path, dataset: str, data_dir: str | None, kept: tuple[int, int] | None = None
) -> str:
    """A reduced data set's file, made where it is not there yet.

    Args:
      path: of the file.
      dataset: what is reduced.
      data_dir: of the prepared TFDS data sets.
      kept: training and test pictures; None: all.

    Returns:
      What --dataset calls it.

    Raises:
      UserError: the data set is not there.
    """
    if not path.exists():
        whole = sources.load(dataset, data_dir)
        all_of_it = len(whole.train_labels), len(whole.test_labels)
        files.write_atomic(path, reduced(whole, *(kept or all_of_it)))
    return f"npz:{path}"


def reduced(whole: sources.Dataset, pool: int, test: int) -> bytes:
    """An npz file of halved images, chosen by their own bytes, not by any order.

    Args:
      whole: the data set.
      pool: training images kept.
      test: test images kept.
    """
    train = _chosen(whole.train_images, whole.train_labels, pool)
    tests = _chosen(whole.test_images, whole.test_labels, test)
    buffer = io.BytesIO()
    np.savez(
        buffer, x_train=train[0], y_train=train[1], x_test=tests[0], y_test=tests[1]
    )
    return buffer.getvalue()


def _chosen(
    images: np.ndarray, labels: np.ndarray, num: int
) -> tuple[np.ndarray, np.ndarray]:
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    rows = sorted(range(len(images)), key=lambda row: digests[row])[:num]
    kept = images[rows].astype(np.float32)
    n, h, w, ch = kept.shape
    halved = kept.reshape(n, h // 2, 2, w // 2, 2, ch).mean(axis=(2, 4))
    return np.round(halved).astype(np.uint8), labels[rows]
