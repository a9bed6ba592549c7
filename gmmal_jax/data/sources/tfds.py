"""Data sets that TFDS prepared as array_record, read without TensorFlow."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gmmal_jax.data.sources.arrays import Arrays
from gmmal_jax.errors import UserError

CHUNK = 1000
"""Rows parsed at a time: their compressed bytes are held beside the images."""


def read(name: str, data_dir: str | None) -> Arrays:
    """Read the parts "train" and "test".

    Args:
      name: TFDS's.
      data_dir: folder of prepared data sets; None: TFDS's default.

    Raises:
      UserError: not prepared there as array_record, or damaged.
    """
    try:
        import tensorflow_datasets as tfds

        with _errors_only():
            builder = tfds.builder(name, data_dir=data_dir)
            prepared = builder.is_prepared()
        if not prepared:
            raise FileNotFoundError(f"nothing in {builder.data_path}")
        packed = {"image": tfds.decode.SkipDecoding()}
        sources = [
            builder.as_data_source(split, decoders=packed)
            for split in ("train", "test")
        ]
    except Exception as error:  # TFDS raises many kinds for one cause: not prepared
        folder = data_dir or "~/tensorflow_datasets"
        remedy = (
            "point --data-dir at the folder that holds it, or make it with "
            f"`gmmal datasets prepare {name} --from FILE ... --data-dir {folder}` "
            f"({_reason(error)})"
        )
        raise UserError(
            "--dataset: not found as a TFDS data set", name, remedy
        ) from None
    try:
        (x_train, y_train), (x_test, y_test) = (
            _rows(source, builder.info.features["image"].shape) for source in sources
        )
    except Exception as error:  # array_record, protobuf and Pillow each have their own
        remedy = f"prepare it again ({_reason(error)})"
        where = str(builder.data_path)
        raise UserError("--data-dir: damaged data set", where, remedy) from None
    names = tuple(builder.info.features["label"].names)
    return Arrays(x_train, y_train, x_test, y_test, names)


@contextmanager
def _errors_only() -> Iterator[None]:
    """TFDS warns of a folder that lacks the data set; our own line says it better."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _rows(source: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Images straight into the array: Pillow alone is twice as quick as TFDS's way."""
    from PIL import Image

    images = np.empty((len(source), *shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    for start in range(0, len(source), CHUNK):
        stop = min(start + CHUNK, len(source))
        rows = source.__getitems__(range(start, stop))
        for index, row in enumerate(rows, start):
            with Image.open(io.BytesIO(row["image"]), formats=("PNG",)) as picture:
                images[index] = np.asarray(picture).reshape(shape)
            labels[index] = row["label"]
    return images, labels


def _reason(error: Exception) -> str:
    first = str(error).strip().splitlines()[0][:120] if str(error).strip() else ""
    return f"{type(error).__name__}: {first}"
