"""scikit-learn's digits: real images that need no download."""

import numpy as np

from gmmal_jax.data.sources.arrays import Arrays

TEST_IMAGES = 500


def read() -> Arrays:
    """1,797 images of 8x8, 500 of them as test part."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.round(digits.images[..., None] * (255 / 16)).astype(np.uint8)
    labels = digits.target.astype(np.int32)
    # The file is ordered by writer; a fixed shuffle makes the test part alike.
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:]
    names = tuple(str(digit) for digit in range(10))
    return Arrays(images[train], labels[train], images[test], labels[test], names)
