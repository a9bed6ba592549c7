"""Four arrays in one file."""

import numpy as np
from test_bad_input import npz

from gmmal_jax.data import sources


def test_arrays_are_taken_as_they_are(tmp_path):
    loaded = sources.load(npz(tmp_path / "a.npz"))
    assert loaded.train_images.shape == (12, 6, 6, 3)
    assert loaded.train_labels.dtype == np.int32
    assert loaded.class_names == ("0", "1", "2")
    pixels = loaded.train_images.reshape(-1, 3) / 255
    np.testing.assert_allclose(loaded.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(loaded.std, pixels.std(0), rtol=1e-6)


def test_the_checksum_is_of_the_arrays(tmp_path):
    loaded = sources.load(npz(tmp_path / "a.npz"))
    again = sources.load(npz(tmp_path / "b.npz", y_train=np.arange(12, dtype="u1") % 3))
    assert again.checksum == loaded.checksum
    other = sources.load(npz(tmp_path / "c.npz", y_test=np.zeros(6, int)))
    assert other.checksum != loaded.checksum


def test_gray_images_get_a_channel(tmp_path):
    gray = np.zeros((12, 6, 6), np.uint8)
    loaded = sources.load(npz(tmp_path / "a.npz", x_train=gray, x_test=gray[:6]))
    assert loaded.train_images.shape == (12, 6, 6, 1)


def test_moments_do_not_depend_on_the_chunks_they_are_taken_in(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (2500, 3, 3, 1), np.uint8)
    path = npz(
        tmp_path / "a.npz", x_train=images, y_train=np.arange(2500) % 3,
        x_test=images[:6],
    )  # fmt: skip
    loaded = sources.load(path)
    np.testing.assert_allclose(loaded.mean, [images.mean() / 255], rtol=1e-12)
    np.testing.assert_allclose(loaded.std, [images.std() / 255], rtol=1e-9)
