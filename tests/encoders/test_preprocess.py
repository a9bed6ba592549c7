"""Pictures at an encoder's size: squares, colors, faults."""

import io

import numpy as np
import pytest
from PIL import Image

from gmmal_jax.encoders import preprocess
from gmmal_jax.encoders.base import Form


def form(size=8, crop=1.0, interpolation="bicubic"):
    return Form(size, interpolation, crop, (0.5, 0.25, 0.125), (0.5, 0.25, 0.75))


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_a_picture_of_the_right_size_stays_as_it_is():
    batch = pixels(3, 8, 8, 3)
    decoded = preprocess.read(batch, form())
    assert np.array_equal(decoded.pixels, batch) and not decoded.bad


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 8, 8, 1)])
def test_gray_arrays_have_three_equal_channels(shape):
    batch = pixels(*shape)
    decoded = preprocess.read(batch, form()).pixels
    assert np.array_equal(decoded, np.repeat(batch.reshape(2, 8, 8, 1), 3, -1))


@pytest.mark.parametrize(("height", "width"), [(8, 20), (20, 8)])
def test_the_center_is_cut_out(height, width):
    picture = pixels(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    got = preprocess.square(Image.fromarray(picture), form())
    assert np.array_equal(got, picture[top : top + 8, left : left + 8])


def test_the_crop_is_a_share_of_the_shorter_side():
    picture = pixels(16, 30, 3)
    got = preprocess.square(Image.fromarray(picture), form(crop=0.5))
    assert np.array_equal(got, picture[4:12, 11:19])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_filter_is_the_one_that_is_named(interpolation):
    picture = Image.fromarray(pixels(8, 8, 3))
    got = preprocess.square(picture, form(13, 1.0, interpolation))
    method = Image.Resampling[interpolation.upper()]
    assert np.array_equal(got, np.asarray(picture.resize((13, 13), method)))


def test_normalization():
    batch = pixels(2, 8, 8, 3)
    want = (batch / 255.0 - np.array((0.5, 0.25, 0.125))) / np.array((0.5, 0.25, 0.75))
    got = preprocess.normalize(batch, form())
    assert got.dtype == np.float32 and got.flags.c_contiguous
    # Three roundings of values of at most 1, then a division by at least 0.25.
    assert np.abs(got - want.transpose(0, 3, 1, 2)).max() <= 16 * 2.0**-24


def png(array):
    text = io.BytesIO()
    Image.fromarray(array).save(text, "png")
    return text.getvalue()


def test_files_that_cannot_be_read_are_black_and_named(tmp_path):
    good = pixels(8, 8, 3)
    whole = png(pixels(64, 64, 3))
    contents = {
        "a.png": png(good), "b.png": b"", "c.png": whole[: len(whole) // 2],
        "d.jpg": b"GIF89a",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in [*contents, "none.png"]]
    decoded = preprocess.read(paths, form())
    assert np.array_equal(decoded.pixels[0], good) and not decoded.pixels[1:].any()
    assert decoded.bad.keys() == {1, 2, 3, 4}
    assert decoded.bad[1] == "empty file" and decoded.bad[3] == "neither PNG nor JPEG"
    assert decoded.bad[4] == "No such file or directory"


def test_a_decompression_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(path)  # 400 million pixels in 50 kB
    (reason,) = preprocess.read([path], form()).bad.values()
    assert "decompression bomb" in reason
