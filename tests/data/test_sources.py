import numpy as np
import pytest

from gmmal_jax.data import sources
from gmmal_jax.errors import UserError


def write(path, **changes):
    generator = np.random.default_rng(0)
    arrays = {
        "x_train": generator.integers(0, 255, (12, 6, 6, 3), np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": generator.integers(0, 255, (6, 6, 6, 3), np.uint8),
        "y_test": np.arange(6) % 3,
    }
    kept = {k: v for k, v in (arrays | changes).items() if v is not None}
    np.savez(path, **kept)
    return f"npz:{path}"


def test_npz(tmp_path):
    loaded = sources.load(write(tmp_path / "a.npz"))
    assert loaded.train_images.shape == (12, 6, 6, 3)
    assert loaded.train_labels.dtype == np.int32
    assert loaded.class_names == ("0", "1", "2")
    pixels = loaded.train_images.reshape(-1, 3) / 255
    np.testing.assert_allclose(loaded.mean, pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(loaded.std, pixels.std(0), rtol=1e-6)
    again = sources.load(write(tmp_path / "b.npz"))
    assert again.checksum == loaded.checksum
    other = sources.load(write(tmp_path / "c.npz", y_test=np.zeros(6, int)))
    assert other.checksum != loaded.checksum


def test_gray_images_get_a_channel(tmp_path):
    gray = np.zeros((12, 6, 6), np.uint8)
    loaded = sources.load(write(tmp_path / "a.npz", x_train=gray, x_test=gray[:6]))
    assert loaded.train_images.shape == (12, 6, 6, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "y_test"),
        ({"x_train": np.zeros((12, 6, 6, 3))}, "uint8"),
        ({"x_train": np.zeros((12, 6, 6, 2), np.uint8)}, "image shape"),
        ({"x_test": np.zeros((6, 5, 6, 3), np.uint8)}, "differ"),
        ({"y_train": np.arange(11)}, "y_train"),
        ({"y_train": np.arange(12) - 1}, "from 0"),
        ({"y_train": np.array([None] * 12)}, "cannot be read"),
    ],
)
def test_unusable_npz(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        sources.load(write(tmp_path / "bad.npz", **changes))


def test_missing_files_and_unknown_names(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        sources.load(f"npz:{tmp_path / 'none.npz'}")
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(UserError, match="cannot be read"):
        sources.load(f"npz:{tmp_path / 'text.npz'}")
    with pytest.raises(UserError, match="unknown data set"):
        sources.load("imagenot")
    with pytest.raises(UserError, match="not found as a TFDS data set"):
        sources.load("cifar10", str(tmp_path))
