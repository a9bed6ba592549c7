"""Strong augmentation against NumPy, one change at a time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.data import augment

SIZE, NUM = 12, 64
KINDS = augment._KINDS
STRONG = jax.jit(functools.partial(augment.strong, pad=2, flip=True))


def images(num=NUM, channels=3):
    generator = np.random.default_rng(0)
    return generator.integers(20, 200, (num, SIZE, SIZE, channels), np.uint8)


def bits(num=NUM, words=augment.STRONG_BITS):
    return jax.random.bits(jax.random.key(0), (num, words))


def words(kind, levels, signs):
    """Words that draw a kind, with these levels and directions."""
    low = (np.asarray(levels) << 1) | (np.asarray(signs) > 0)
    return jnp.asarray((KINDS.index(kind) << 16) | low, jnp.uint32)


def changed(kind, levels=None, signs=None):
    """Images after a change, with the level and sign of each in float64."""
    levels = np.linspace(0, 0x7FFF, NUM).astype(int) if levels is None else levels
    signs = np.where(np.arange(NUM) % 3, 1, -1) if signs is None else signs
    drawn = augment._drawn(words(kind, levels, signs))
    assert np.asarray(drawn[2]).tolist() == list(signs)

    def change(image, *drawn):
        return augment._moved(augment._tones(image, *drawn), *drawn)

    out = jax.jit(jax.vmap(change))(jnp.asarray(images()), *drawn)
    return np.asarray(out), np.asarray(levels) / 0x7FFF, np.asarray(signs)


def tones(kind, image, level, sign):
    values, factor = image.astype(np.float64), 1 + 0.9 * level * sign
    if kind == "auto_contrast":
        low, high = values.min((0, 1)), values.max((0, 1))
        return (values - low) * 255 / (high - low)
    if kind == "brightness":
        return values * factor
    if kind == "contrast":
        return values.mean() + (values - values.mean()) * factor
    if kind == "posterize":
        step = 2 ** round(4 * level)
        return values // step * step
    if kind == "solarize":
        return np.where(values < round(256 * (1 - level)), values, 255 - values)
    return values


@pytest.mark.parametrize("kind", KINDS[:6])
def test_tones_by_numpy(kind):
    out, levels, signs = changed(kind)
    for image, source, level, sign in zip(out, images(), levels, signs, strict=True):
        wanted = np.clip(tones(kind, source, level, sign), 0, 255)
        assert np.abs(image - wanted).max() <= 0.501  # half a pixel value: rounding
    if kind != "identity":
        assert (out != images()).any()


def source_of(kind, level, sign):
    """(row, column) of the source of each pixel, from NumPy, before rounding."""
    center = (SIZE - 1) / 2
    y, x = np.mgrid[:SIZE, :SIZE] - center
    angle = np.pi / 6 * level * sign if kind == "rotate" else 0.0
    shear, shift = 0.3 * level * sign, np.round(0.3 * SIZE * level * sign)
    rows = y * np.cos(angle) + x * np.sin(angle)
    columns = x * np.cos(angle) - y * np.sin(angle)
    rows += {"shear_y": shear * x, "translate_y": shift}.get(kind, 0)
    columns += {"shear_x": shear * y, "translate_x": shift}.get(kind, 0)
    return rows + center, columns + center


@pytest.mark.parametrize("kind", KINDS[6:])
def test_places_by_numpy(kind):
    out, levels, signs = changed(kind)
    for image, source, level, sign in zip(out, images(), levels, signs, strict=True):
        places = source_of(kind, level, sign)
        rows, columns = (np.round(place).astype(int) for place in places)
        inside = (rows >= 0) & (rows < SIZE) & (columns >= 0) & (columns < SIZE)
        wanted = source[rows.clip(0, SIZE - 1), columns.clip(0, SIZE - 1)]
        wanted = np.where(inside[..., None], wanted, 0)
        # A pixel between two may fall to either.
        sure = [np.abs(place % 1 - 0.5) > 1e-4 for place in places]
        sure = sure[0] & sure[1]
        np.testing.assert_array_equal(image[sure], wanted[sure])
        assert sure.mean() > 0.8
    assert (out == 0).any() and (out != images()).any()


def test_cutout_is_a_gray_square_wherever_it_falls():
    word = bits(words=1)[:, 0]
    out = np.asarray(jax.vmap(augment._cut_out)(jnp.asarray(images()), word))
    sizes = set()
    for image, source, drawn in zip(out, images(), np.asarray(word), strict=True):
        y, x = (int(drawn) >> 16) % SIZE - 3, (int(drawn) & 0xFFFF) % SIZE - 3
        wanted = source.copy()
        wanted[max(y, 0) : y + 6, max(x, 0) : x + 6] = 128
        np.testing.assert_array_equal(image, wanted)
        sizes.add(int((image == 128).all(-1).sum()))
    assert max(sizes) >= 36 and min(sizes) < 36


def test_a_row_is_changed_by_its_own_bits():
    whole = STRONG(bits(), jnp.asarray(images()))
    part = STRONG(bits()[40:], jnp.asarray(images()[40:]))
    assert whole.dtype == jnp.uint8 and whole.shape == images().shape
    np.testing.assert_array_equal(np.asarray(whole)[40:], np.asarray(part))
    assert all((a != b).any() for a, b in zip(np.asarray(whole), images(), strict=True))


def test_every_kind_is_drawn_about_equally_often():
    kind, level, sign = augment._drawn(bits(20_000, 1)[:, 0])
    shares = np.bincount(np.asarray(kind), minlength=len(KINDS)) / 20_000
    np.testing.assert_allclose(shares, 1 / len(KINDS), atol=0.01)
    np.testing.assert_allclose(np.quantile(level, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9],
                               atol=0.02)  # fmt: skip
    assert abs(np.asarray(sign).mean()) < 0.05


@pytest.mark.parametrize("channels", [1, 3])
def test_any_number_of_channels_and_any_form(channels):
    image = jax.ShapeDtypeStruct((4, 7, 5, channels), jnp.uint8)
    plain = functools.partial(augment.strong, pad=0, flip=False)
    assert jax.eval_shape(plain, bits(4), image) == image
