import functools

import jax
import jax.numpy as jnp
import numpy as np
from rounding import sums_of

from gmmal_jax.data import augment


def images(seed=0, num=16):
    generator = np.random.default_rng(seed)
    return jnp.asarray(generator.integers(1, 255, (num, 6, 5, 3), np.uint8))


def bits(num=16):
    return jax.random.bits(jax.random.key(0), (num, 2))


def test_normalize_by_hand():
    scaled = augment.normalize(images(), (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    expected = (np.asarray(images(), np.float64) / 255 - [0.5, 0.4, 0.3]) / [
        0.2, 0.3, 0.4,
    ]  # fmt: skip
    # A pixel times a rounded factor, plus a rounded shift of up to 2.5.
    size = np.abs(expected) + 2 * 2.5
    assert (np.abs(scaled - expected) <= sums_of(4) * size).all()


def test_every_crop_is_a_window_of_the_padded_image():
    out = augment.crop_and_flip(bits(), images(), pad=2, flip=True)
    assert out.shape == images().shape and out.dtype == jnp.uint8
    padded = np.pad(np.asarray(images()), ((0, 0), (2, 2), (2, 2), (0, 0)))
    places = set()
    for image, source in zip(np.asarray(out), padded, strict=True):
        found = [
            (dy, dx, mirrored)
            for dy in range(5)
            for dx in range(5)
            for mirrored in (False, True)
            if np.array_equal(
                image[:, ::-1] if mirrored else image,
                source[dy : dy + 6, dx : dx + 5],
            )
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) > 8
    assert {mirrored for _, _, mirrored in places} == {True, False}


def test_a_row_is_augmented_by_its_own_bits():
    whole = augment.crop_and_flip(bits(), images(), pad=2, flip=True)
    part = augment.crop_and_flip(bits()[8:], images()[8:], pad=2, flip=True)
    np.testing.assert_array_equal(np.asarray(whole)[8:], np.asarray(part))


def test_nothing_asked_nothing_done():
    same = augment.crop_and_flip(bits(), images(), pad=0, flip=False)
    np.testing.assert_array_equal(np.asarray(same), np.asarray(images()))
    constant = jnp.full((16, 6, 6, 1), 9, jnp.uint8)
    out = augment.crop_and_flip(bits(), constant, pad=1, flip=True)
    assert (np.asarray(out)[:, 1:-1, 1:-1] == 9).all()


def test_bits_of_a_place_do_not_depend_on_the_padding():
    """What lets 8 devices, with padded batches, augment as one does."""
    draw = functools.partial(jax.random.bits, jax.random.key(0))
    np.testing.assert_array_equal(
        np.asarray(draw((104, 2)))[:100], np.asarray(draw((100, 2)))
    )
