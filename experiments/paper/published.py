"""The published pictures, known again in whatever order their rows are.

A full result names its data by the sum below, which the published pictures have however
they were loaded: from TFDS's files or from an .npz of them, in any order. `ROWS` are
the sums of the published CIFAR-10, CIFAR-100 (fine labels) and FashionMNIST.

SVHN and TinyImageNet were not at hand when this was written, and TinyImageNet's JPEGs
are not decoded alike everywhere: of both only how many pictures each class has can be
checked, so that other pictures of the same numbers would pass.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.paper.worlds import Form
from gmmal_jax.data import sources

Sums = dict[str, dict[str, Any]]
PARTS = ("train", "test")
ROWS = {
    "cifar10": (
        "aba2613db999bab40d772d178fac39fd2e148f40cc2ddff24e571f6eb81982b2",
        "12d8607894ffd895dde9bfe7a8894226e19070fccf65dc6d6fa3659d56246e66",
    ),
    "cifar100": (
        "1c84180f6d8ae8d7ff27cd3f4b3ab4ba9f05ee6fe6c2d0b33773ae0c088aeb99",
        "aed05841c627c0c04bb6b9b75c9e1abcce9b5bf3ef2ea06d606088a6eb685e18",
    ),
    "fashion_mnist": (
        "9671d2d59bad24fb00419b3774e5cab175a732e64c51c8292d9d19154d47c160",
        "b276df0fbe173ef20ce3e20db1324c0a316a72a6fb2959bcc6b013db41865ece",
    ),
}
"""Data set -> sums of its training and its test pictures, as `digest` makes them."""
_SVHN = (
    (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659),
    (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595),
)
SIZES = {
    "cifar10": ((5000,) * 10, (1000,) * 10),
    "cifar100": ((500,) * 100, (100,) * 100),
    "svhn_cropped": _SVHN,
    "fashion_mnist": ((6000,) * 10, (1000,) * 10),
    "tiny_imagenet": ((500,) * 200, (50,) * 200),
}
"""Data set -> training and test pictures of each class."""


def summed(whole: sources.Dataset) -> Sums:
    """What a full result says of its data.

    Args:
      whole: the data set, before any part of it is chosen.

    Returns:
      "rows" -> part -> `digest`; "class_sizes" -> part -> pictures of each class.
    """
    parts = {
        "train": (whole.train_images, whole.train_labels),
        "test": (whole.test_images, whole.test_labels),
    }
    num = len(whole.class_names)
    return {
        "rows": {name: digest(*part) for name, part in parts.items()},
        "class_sizes": {
            name: np.bincount(labels, minlength=num).tolist()
            for name, (_, labels) in parts.items()
        },
    }


def of(form: Form, whole: sources.Dataset) -> Sums:
    """`summed` of the paper's own pictures; nothing of a substitute's."""
    return summed(whole) if form.full else {}


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """A sum of pictures with their labels that no order of rows changes: SHA-256.

    Args:
      images: uint8 [n, h, w, ch].
      labels: int [n], 0 to 65,535.
    """
    rows = sorted(
        hashlib.sha256(image.tobytes() + int(label).to_bytes(2, "little")).digest()
        for image, label in zip(images, labels, strict=True)
    )
    return hashlib.sha256(b"".join(rows)).hexdigest()


def complaints(data: str, found: Sums) -> Iterator[str]:
    """A line for each part of a full result's data that is not what was published.

    Args:
      data: a key of `SIZES`.
      found: what the result says of its data, with what `summed` gives.
    """
    rows, sizes = found.get("rows", {}), found.get("class_sizes", {})
    for place, part in enumerate(PARTS):
        if sizes.get(part) != [*SIZES[data][place]]:
            yield f"{part} pictures are not so many of each class as were published"
        elif data in ROWS and rows.get(part) != ROWS[data][place]:
            yield f"{part} pictures are not those that were published"
