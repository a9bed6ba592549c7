"""The VAE: sizes of its maps for the images it is specified for, and for any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from gmmal_jax.models import transposed, vae


def shapes(size, channels=3, width=128, latents=32):
    """Parameters' shapes of encoder and decoder, biases and BatchNorm left out."""
    made = vae.make((size, size, channels), width, latents)
    params = jax.eval_shape(made.init, jax.random.key(0)).params

    def of(part):
        return {
            name: (leaf["kernel"] if isinstance(leaf, dict) else leaf).shape
            for name, leaf in params[part].items()
            if not name.startswith(("BatchNorm", "bias"))
        }

    return of("encoder"), of("decoder")


def test_the_architecture_at_32_pixels():
    encoder, decoder = shapes(32)
    assert encoder == {
        "kernel_0": (4, 4, 3, 128),
        "kernel_1": (4, 4, 128, 256),
        "kernel_2": (4, 4, 256, 512),
        "kernel_3": (4, 4, 512, 1024),
        "mean": (4096, 32),
        "log_variance": (4096, 32),
    }
    assert decoder == {
        "first": (32, 16384),
        "kernel_2": (4, 4, 1024, 512),
        "kernel_1": (4, 4, 512, 256),
        "kernel_0": (4, 4, 256, 128),
        "pixels": (1, 1, 128, 3),
    }


def test_the_architecture_at_28_and_64_pixels():
    encoder, decoder = shapes(28, channels=1, latents=28)
    taps = {name: shape[:2] for name, shape in encoder.items() if "kernel" in name}
    assert list(taps.values()) == [(4, 4)] * 3 + [(3, 3)]
    assert encoder["mean"] == (4096, 28) and decoder["first"] == (28, 16384)
    assert decoder["kernel_2"][:2] == (3, 3) and decoder["kernel_1"][:2] == (4, 4)
    encoder, decoder = shapes(64)
    assert encoder["mean"] == (16384, 32) and decoder["first"] == (32, 65536)
    encoder, decoder = shapes(8, channels=1, width=16)
    assert encoder["mean"] == (2 * 2 * 32, 32) and decoder["first"] == (32, 4 * 4 * 32)


@pytest.mark.parametrize(
    "shape",
    [(s, s, 1) for s in (1, 2, 3, 5, 6, 8, 14, 17, 28, 32, 45, 64, 96)] + [(9, 20, 3)],
    ids=str,
)
def test_any_size_comes_back(shape):
    made = vae.make(shape, 2, 3, told=1)
    state = jax.eval_shape(made.init, jax.random.key(0))
    images, mask = jnp.zeros((5, *shape)), jnp.ones(5, bool)
    z = jnp.zeros((5, 4))

    def run(state):
        (mean, _), stats = made.encode(state, images, mask, vae.Mode(train=True))
        state = state._replace(batch_stats=stats)
        return mean, made.decode(state, z, mask, vae.Mode(train=True))

    mean, (decoded, stats) = jax.eval_shape(run, state)
    assert mean.shape == (5, 3) and decoded.shape == images.shape
    assert jax.tree.structure(stats) == jax.tree.structure(state.batch_stats)


def test_log_variances_are_clipped_and_evaluation_moves_nothing():
    made = vae.make((4, 4, 1), 2, 3)
    state = jax.jit(made.init)(jax.random.key(0))
    images = 1e4 * jnp.ones((2, 4, 4, 1))
    (_, spread), stats = made.encode(state, images, jnp.ones(2, bool), vae.EVALUATION)
    assert np.abs(spread).max() == vae.LOG_VARIANCE_CLIP
    assert stats is not None and jax.tree.all(
        jax.tree.map(lambda a, b: bool((a == b).all()), stats, state.batch_stats)
    )


def test_fresh_weights_are_kaimings_and_pytorchs():
    params = jax.jit(vae.make((8, 8, 1), 16, 32).init)(jax.random.key(0)).params
    kernel = params["encoder"]["kernel_1"]  # 4 x 4 x 16 inputs, 8192 draws
    np.testing.assert_allclose(np.var(kernel), 2 / 256, rtol=0.06)
    spread = params["decoder"]["kernel_0"]  # uniform within 1 / sqrt(4 * 4 * 16)
    assert np.abs(spread).max() <= 1 / 16
    np.testing.assert_allclose(np.var(spread), 1 / 256 / 3, rtol=0.06)


@pytest.mark.parametrize("taps", [(4, 4), (3, 3), (4, 3)])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_a_doubled_map_is_the_transpose_of_a_strided_convolution(taps, size):
    """By both programs, values and gradients; small whole numbers, so exactly."""
    generator = np.random.default_rng(0)
    big = [2 * s - (4 - t) for s, t in zip(size, taps, strict=True)]

    def draw(*shape):
        return jnp.asarray(generator.integers(-3, 4, shape), jnp.float32)

    x, kernel, g = draw(2, *size, 3), draw(*taps, 3, 5), draw(2, *big, 5)

    def strided(y):
        return lax.conv_general_dilated(
            y, kernel.swapaxes(2, 3), (2, 2), [(1, 1), (1, 1)],
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip

    _, transpose = jax.vjp(strided, jnp.zeros_like(g))
    wanted = transpose(x)[0]
    for double in (transposed.double, transposed._dilated, transposed._overlap_add):
        found, pull = jax.vjp(double, x, kernel)
        np.testing.assert_array_equal(found, wanted)
        gradients = pull(g)
        np.testing.assert_array_equal(gradients[0], strided(g))
        stock = jax.vjp(transposed._dilated, x, kernel)[1](g)
        np.testing.assert_array_equal(gradients[1], stock[1])
