"""Every kind of picture becomes the pixels that were put into it, exactly."""

import numpy as np
import pytest
from images import pixels, save
from PIL import Image

from gmmal_jax.data.sources import decode, pictures
from gmmal_jax.errors import UserError


def read(files, image_size=None, test=None, **options):
    """Read files as two classes in turn; the test part: the first two, or `test`."""
    train = [pictures.Row(file, i % 2) for i, file in enumerate(files)]
    test = train[:2] if test is None else test
    return pictures.read("here", train, test, ["a", "b"], image_size, **options)


def one(tmp_path, file, image_size=None):
    """What a picture is read as, beside a plain one of its size."""
    with Image.open(file) as opened:
        size = opened.size
    other = save(tmp_path / "other.png", np.zeros((size[1], size[0]), np.uint8))
    return read([file, other], image_size).train_images[0]


def test_color_and_gray_pngs(tmp_path):
    color = pixels(0, 4, 5, 3)
    read_back = one(tmp_path, save(tmp_path / "c.png", color))
    np.testing.assert_array_equal(read_back, color)
    gray = pixels(1, 4, 5)
    read_back = one(tmp_path, save(tmp_path / "g.PNG", gray))
    np.testing.assert_array_equal(read_back, gray[..., None])


def test_gray_beside_color_gets_three_channels(tmp_path):
    gray, color = pixels(0, 4, 5), pixels(1, 4, 5, 3)
    files = [save(tmp_path / "g.png", gray), save(tmp_path / "c.png", color)]
    images = read(files).train_images
    np.testing.assert_array_equal(images[0], np.stack([gray] * 3, axis=-1))
    np.testing.assert_array_equal(images[1], color)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, orientation):
    upright = pixels(0, 4, 6, 3)
    undone = {  # what the camera stored, for the picture to be upright
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(undone[orientation])
    file = save(tmp_path / "p.png", stored, exif=exif)
    plain = save(tmp_path / "q.png", upright)
    np.testing.assert_array_equal(read([file, plain]).train_images[0], upright)


def test_a_rotation_behind_the_pixels_of_a_png(tmp_path):
    """It cannot be known before decoding: a picture of another size is skipped."""
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = pixels(0, 4, 6, 3)
    stored = np.ascontiguousarray(np.rot90(upright, 1))
    content = save(tmp_path / "p.png", stored, exif=exif).read_bytes()
    start = content.index(b"eXIf") - 4
    stop = start + 12 + int.from_bytes(content[start : start + 4], "big")
    end = content.index(b"IEND") - 4
    parts = content[:start], content[stop:end], content[start:stop], content[end:]
    (tmp_path / "p.png").write_bytes(b"".join(parts))
    plain = [save(tmp_path / f"{i}.png", np.zeros((6, 4, 3), np.uint8)) for i in "ab"]
    found = read([*plain, tmp_path / "p.png"])
    assert len(found.train_images) == 2 and "EXIF" in found.skipped[0][1]
    square = read([tmp_path / "p.png", plain[0]], image_size=4).train_images
    assert square.shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(square[0], upright[:, 1:5])


def test_16_bit_gray_is_scaled_and_not_clipped(tmp_path):
    levels = np.array([[0, 128, 129, 256], [257, 30_000, 65_406, 65_535]], np.uint16)
    file = save(tmp_path / "p.png", levels)
    wanted = np.rint(levels / 257).astype(np.uint8)
    assert wanted.max() == 255 and wanted[1, 1] == 117
    np.testing.assert_array_equal(one(tmp_path, file), wanted[..., None])


def test_16_bit_gray_of_the_other_byte_order_and_of_32_bit_mode():
    levels = np.array([[0, 257, 65_535]], np.uint16)
    for mode, dtype in (("I;16B", ">u2"), ("I", "i4")):
        picture = Image.frombytes(mode, (3, 1), levels.astype(dtype).tobytes())
        scaled = np.asarray(decode._eight_bits(picture))
        np.testing.assert_array_equal(scaled, [[0, 1, 255]])


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 128]]
    found = one(tmp_path, save(tmp_path / "p.png", rgba))
    half = np.rint(128 / 255 * np.array([0, 100, 200]) + 127 / 255 * 255)
    np.testing.assert_array_equal(found[0], [[10, 20, 30], [255, 255, 255], half])


def test_gray_with_transparency_stays_gray(tmp_path):
    stored = np.array([[[10, 255], [10, 0]]], np.uint8)
    found = one(tmp_path, save(tmp_path / "p.png", stored))
    np.testing.assert_array_equal(found, [[[10], [255]]])


def test_palettes_with_and_without_a_transparent_color(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    picture.putpalette([9, 8, 7, 100, 110, 120, 1, 2, 3])
    picture.save(tmp_path / "p.png")
    found = one(tmp_path, tmp_path / "p.png")
    np.testing.assert_array_equal(found[0], [[9, 8, 7], [100, 110, 120], [1, 2, 3]])
    picture.save(tmp_path / "t.png", transparency=1)
    found = one(tmp_path, tmp_path / "t.png")
    np.testing.assert_array_equal(found[0], [[9, 8, 7], [255] * 3, [1, 2, 3]])


def test_black_and_white(tmp_path):
    bits = np.array([[True, False, True]])
    found = one(tmp_path, save(tmp_path / "p.png", bits))
    np.testing.assert_array_equal(found[0], [[255], [0], [255]])


def test_jpegs(tmp_path):
    flat = np.full((8, 8, 3), 77, np.uint8)
    found = one(tmp_path, save(tmp_path / "p.JPeG", flat, format="JPEG"))
    np.testing.assert_array_equal(found, flat)
    file = tmp_path / "cmyk.jpg"
    Image.new("CMYK", (8, 8), (0, 0, 0, 0)).save(file)
    np.testing.assert_array_equal(one(tmp_path, file), np.full((8, 8, 3), 255))


def test_image_size_crops_the_center_of_the_shorter_side(tmp_path):
    ramp = np.tile(10 * np.arange(24, dtype=np.uint8), (8, 1))
    found = one(tmp_path, save(tmp_path / "p.png", ramp), image_size=2)
    # Columns 8 to 15 are the centered square; their halves' means:
    np.testing.assert_array_equal(found[..., 0], [[95, 135], [95, 135]])
    square = pixels(0, 5, 5, 3)
    found = one(tmp_path, save(tmp_path / "q.png", square), image_size=5)
    np.testing.assert_array_equal(found, square)


def test_image_size_antialiases(tmp_path):
    """Stripes finer than the new pixels become their mean, not one of the two."""
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 254
    found = one(tmp_path, save(tmp_path / "p.png", stripes), image_size=4)
    assert np.abs(found.astype(int) - 127).max() <= 8


def broken(tmp_path):
    """Files that are no readable picture, and what is said of each."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    whole = save(tmp_path / "whole.png", pixels(0, 40, 40, 3)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "head.png").write_bytes(whole[:20])
    whole = save(tmp_path / "whole.jpg", pixels(0, 40, 40, 3)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "whole.jpg").unlink(), (tmp_path / "whole.png").unlink()
    Image.new("RGB", (4, 4)).save(tmp_path / "gif.png", format="GIF")
    return {
        "cut.jpg": "truncated",
        "cut.png": "truncated",
        "empty.png": "empty file",
        "gif.png": "neither PNG nor JPEG",
        "head.png": "",
        "missing.png": "No such file",
        "text.jpg": "neither PNG nor JPEG",
    }


def test_unreadable_pictures_are_skipped_with_their_reasons(tmp_path):
    reasons = broken(tmp_path)
    good = [save(tmp_path / f"g{i}.png", pixels(i, 40, 40, 3)) for i in range(4)]
    files = [good[0], *(tmp_path / name for name in reasons), good[2], good[1]]
    test = [pictures.Row(good[2], 0), pictures.Row(good[3], 1)]
    found = read(files, test=test)
    names = [path.rpartition("/")[2] for path, _ in found.skipped]
    assert names == sorted(reasons)
    for path, reason in found.skipped:
        assert reasons[path.rpartition("/")[2]] in reason and reason
    np.testing.assert_array_equal(found.train_images[2], pixels(1, 40, 40, 3))
    assert found.train_images.shape == (3, 40, 40, 3)
    assert found.train_labels.tolist() == [0, 0, 1]
    np.testing.assert_array_equal(found.test_images[0], pixels(2, 40, 40, 3))


def test_decompression_bombs_are_skipped(tmp_path, monkeypatch):
    files = [save(tmp_path / f"{i}.png", pixels(i, 6, 6)) for i in range(4)]
    files.append(save(tmp_path / "bomb.png", pixels(0, 60, 60)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    found = read(files)
    assert len(found.train_images) == 4
    assert "decompression bomb" in found.skipped[0][1]


def test_a_class_without_readable_pictures_is_named(tmp_path):
    good = [save(tmp_path / f"{i}.png", pixels(i, 6, 6)) for i in range(2)]
    (tmp_path / "bad.png").write_bytes(b"")
    train = [pictures.Row(good[0], 0), pictures.Row(tmp_path / "bad.png", 1)]
    test = [pictures.Row(good[0], 0), pictures.Row(good[1], 1)]
    with pytest.raises(UserError, match="no readable training pictures of class: 'b'"):
        pictures.read("here", train, test, ["a", "b"], None)
    with pytest.raises(UserError, match="no readable test pictures of class: 'b'"):
        pictures.read("here", test, train, ["a", "b"], None)
    bad = [pictures.Row(tmp_path / "bad.png", label) for label in (0, 1)]
    with pytest.raises(UserError, match="no picture can be read.*empty file"):
        pictures.read("here", bad, bad, ["a", "b"], None)


def test_sizes_that_differ_and_arrays_that_do_not_fit(tmp_path, monkeypatch):
    files = [save(tmp_path / f"{n}.png", pixels(0, n, 9)) for n in (4, 5)]
    with pytest.raises(UserError, match=r"4.png is 9x4, .*5.png is 9x5; .*image-size"):
        read(files)
    assert read(files, image_size=3).train_images.shape == (2, 3, 3, 1)

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(np, "empty", full)
    with pytest.raises(UserError, match="do not fit into memory: '0 GB'; .*image-size"):
        read(files, image_size=3)
