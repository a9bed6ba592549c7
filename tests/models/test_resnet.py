import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import DRAWS, SAFETY, Rounding, distance, sums_of

from gmmal_jax.models import resnet
from gmmal_jax.types import AXIS

INIT = jax.jit(resnet.init, static_argnums=(0, 2))


def tiny(seed=0):
    """The model and state that all executing tests share: one compilation."""
    model = resnet.make("small", num_classes=3, width=2)
    return model, INIT(model, jax.random.key(seed), (8, 8, 1))


def images_of(rows):
    return jnp.asarray(np.random.default_rng(0).normal(size=(rows, 8, 8, 1)), "float32")


def shapes_of(model, image_shape, batch=2):
    """State and outputs without compiling anything."""

    def run(key):
        state = resnet.init(model, key, image_shape)
        images, mask = jnp.zeros((batch, *image_shape)), jnp.ones(batch, bool)
        return state, resnet.apply(
            model, state, images, mask, train=True, axis_name=None
        )

    return jax.eval_shape(run, jax.random.key(0))


@pytest.mark.parametrize(
    ("name", "image_shape", "sizes", "channels"),
    [
        ("resnet18", (32, 32, 3), (32, 16, 8, 4), (64, 128, 256, 512)),
        ("resnet18", (28, 28, 1), (28, 14, 7, 4), (64, 128, 256, 512)),
        ("resnet18", (64, 64, 3), (64, 32, 16, 8), (64, 128, 256, 512)),
        ("resnet50", (32, 32, 3), (32, 16, 8, 4), (256, 512, 1024, 2048)),
        ("small", (8, 8, 1), (8, 4, 2, 1), (64, 128, 256, 512)),
    ],
)
def test_shapes(name, image_shape, sizes, channels):
    model = resnet.make(name, num_classes=10, width=64)
    state, (outputs, batch_stats) = shapes_of(model, image_shape)
    expected = [(2, s, s, c) for s, c in zip(sizes, channels, strict=True)]
    assert [stage.shape for stage in outputs.maps] == expected
    assert outputs.latents.shape == (2, channels[-1])
    assert outputs.latents.dtype == jnp.float32
    assert outputs.logits.shape == (2, 10)
    assert jax.tree.structure(batch_stats) == jax.tree.structure(state.batch_stats)


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 11_173_962), ("resnet50", 23_520_842)]
)
def test_parameter_counts(name, count):
    model = resnet.make(name, num_classes=10, width=64)
    state, _ = shapes_of(model, (32, 32, 3))
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state.params)) == count


def test_fresh_weights():
    _, state = tiny()
    kernel, bias = resnet.head(state)
    assert kernel.shape == (16, 3) and bias.shape == (3,)
    stem = state.params["Convolution_0"]["kernel"]
    block = state.params["Block_3"]["Convolution_1"]["kernel"]
    for drawn, fan_in in ((kernel, 16), (bias, 16), (stem, 9), (block, 9 * 16)):
        bound = 1 / math.sqrt(fan_in)
        assert np.abs(drawn).max() <= bound
        assert np.std(drawn) > 0
    # The standard error of the variance of 2304 uniform draws is 2 %.
    np.testing.assert_allclose(np.var(block), 1 / (3 * 9 * 16), rtol=0.1)
    for leaf in jax.tree.leaves(state.batch_stats) + [
        state.params["BatchNorm_0"]["scale"],
        state.params["BatchNorm_0"]["bias"],
    ]:
        assert np.all(leaf == leaf[0]) and leaf[0] in (0, 1)


def test_fresh_weights_follow_the_key():
    one, same, other = (tiny(seed)[1] for seed in (0, 0, 1))
    assert np.all(resnet.head(one)[0] == resnet.head(same)[0])
    assert np.all(resnet.head(one)[0] != resnet.head(other)[0])


def test_prediction_needs_no_axis_and_no_mask():
    model, state = tiny()
    images = images_of(4)
    predict = jax.jit(
        functools.partial(resnet.apply, model, train=False, axis_name=None)
    )
    outputs, batch_stats = predict(state, images, jnp.ones(4, bool))
    masked, _ = predict(state, images, jnp.zeros(4, bool))
    assert np.all(outputs.latents >= 0) and np.any(outputs.latents > 0)
    np.testing.assert_array_equal(outputs.logits, masked.logits)
    jax.tree.map(np.testing.assert_array_equal, batch_stats, state.batch_stats)
    kernel, bias = resnet.head(state)
    latents, kernel, bias = (np.float64(v) for v in (outputs.latents, kernel, bias))
    size = np.abs(latents) @ np.abs(kernel) + np.abs(bias)
    error = np.abs(outputs.logits - (latents @ kernel + bias))
    assert (error <= sums_of(len(kernel) + 1) * size).all()
    pixels = np.float64(outputs.maps[-1])
    error = np.abs(latents - pixels.mean((1, 2)))
    assert (error <= sums_of(pixels[0, ..., 0].size) * pixels.mean((1, 2))).all()


def test_eight_devices_with_padding_equal_one():
    """100 images as 104 rows on 8 devices: the last has four rows of padding."""
    (model, state), rows, padded = tiny(), 100, 104
    images = images_of(padded)
    labels = jnp.arange(padded) % 3
    mask = jnp.arange(padded) < rows

    def gradients(images, labels, mask, state, axis_name):
        def loss(params):
            outputs, batch_stats = resnet.apply(
                model,
                state._replace(params=params),
                images,
                mask,
                train=True,
                axis_name=axis_name,
            )
            log_p = jax.nn.log_softmax(outputs.logits)
            picked = jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
            return -jnp.sum(jnp.where(mask, picked, 0.0)) / rows, batch_stats

        (value, batch_stats), d_params = jax.value_and_grad(loss, has_aux=True)(
            state.params
        )
        if axis_name is not None:
            value, d_params = jax.lax.psum((value, d_params), axis_name)
        return value, batch_stats, d_params

    def share(values):
        return values.reshape(8, padded // 8, *values.shape[1:])

    many = jax.pmap(
        functools.partial(gradients, axis_name=AXIS),
        axis_name=AXIS,
        in_axes=(0, 0, 0, None),
        out_axes=None,
    )(share(images), share(labels), share(mask), state)
    alone = jax.jit(functools.partial(gradients, axis_name=None))
    one = alone(images[:rows], labels[:rows], mask[:rows], state)
    assert np.isfinite(one[0])
    # What rounding the parameters does, each as a sum of its longest kernel's terms.
    moved = [
        alone(images[:rows], labels[:rows], mask[:rows], rounded)
        for rounded in (Rounding(i).tree(state, 9 * 16) for i in range(DRAWS))
    ]
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(one)]
    for path, a, b, *others in zip(
        paths, *map(jax.tree.leaves, (many, one, *moved)), strict=True
    ):
        bound = SAFETY * max(distance(other, b) for other in others)
        error = distance(a, b)
        assert error <= bound < 1e-2, (jax.tree_util.keystr(path), error, bound)
