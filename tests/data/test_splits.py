import numpy as np
import pytest

from gmmal_jax import config as configs
from gmmal_jax.data import sources, splits
from gmmal_jax.errors import UserError
from gmmal_jax.presets import preset


@pytest.fixture(scope="module")
def digits():
    return sources.load("digits")


def test_digits(digits):
    assert digits.train_images.shape == (1297, 8, 8, 1)
    assert digits.test_images.shape == (500, 8, 8, 1)
    assert digits.train_images.dtype == np.uint8 and digits.train_images.max() == 255
    assert set(digits.train_labels) == set(range(10))
    assert 0 < digits.mean[0] < 1 and 0 < digits.std[0] < 1


def test_initial_depends_on_the_seed_only(digits):
    config = preset("digits")
    first = splits.make(config, digits, 0)
    other = configs.replace(config, method="random", learn="ce", model="resnet18")
    np.testing.assert_array_equal(first.initial, splits.make(other, digits, 0).initial)
    second = splits.make(config, digits, 1)
    assert set(first.initial.tolist()) != set(second.initial.tolist())
    assert len(set(first.initial.tolist())) == 20


def test_validation_never_touches_the_test_part(digits):
    config = configs.replace(preset("digits"), eval="validation")
    split = splits.make(config, digits, 0)
    assert split.evaluation == "train"
    assert len(split.evaluation_rows) == 259 and len(split.pool) == 1297 - 259
    assert not set(split.pool) & set(split.evaluation_rows)


def test_even_classes_are_minor(digits):
    config = configs.replace(preset("digits"), setting="imbalanced")
    split = splits.make(config, digits, 0)
    full = np.bincount(digits.train_labels, minlength=10)
    kept = np.bincount(digits.train_labels[split.pool], minlength=10)
    expected = np.where(np.arange(10) % 2 == 0, full // 10, full)
    np.testing.assert_array_equal(kept, expected)
    assert len(split.evaluation_rows) == 500


def test_more_labels_than_the_pool_holds(digits):
    config = configs.replace(preset("digits"), budget=300)
    with pytest.raises(UserError, match="the pool has 1297 rows"):
        splits.make(config, digits, 0)
