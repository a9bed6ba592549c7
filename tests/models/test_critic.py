import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gmmal_jax.models.critic import Critic


def inputs(rows=5, features=7):
    values = np.random.default_rng(0).normal(size=(rows, features))
    return jnp.asarray(values, jnp.float32)


def params_of(critic, h):
    """Drawn by NumPy: the network's own generators take seconds to compile."""
    generator = np.random.default_rng(1)
    shapes = jax.eval_shape(critic.init, jax.random.key(0), h)
    return jax.tree.map(
        lambda leaf: jnp.asarray(generator.normal(size=leaf.shape), jnp.float32) / 2,
        shapes,
    )


def test_layers_and_fresh_weights():
    params = Critic((64, 32), "sigmoid").init(jax.random.key(0), inputs())["params"]
    kernels = [params[f"Dense_{i}"]["kernel"] for i in range(3)]
    assert [kernel.shape for kernel in kernels] == [(7, 64), (64, 32), (32, 1)]
    assert not any(np.any(params[f"Dense_{i}"]["bias"]) for i in range(3))
    # Kaiming: variance 2 / fan in; 2048 draws have a standard error of about 3 %.
    np.testing.assert_allclose(np.var(kernels[1]), 2 / 64, rtol=0.12)


def test_outputs():
    h = inputs()
    sigmoid, linear = Critic((6,), "sigmoid"), Critic((6,), "linear")
    params = params_of(sigmoid, h)
    value, raw = sigmoid.apply(params, h), linear.apply(params, h)
    assert value.shape == raw.shape == (5,)
    np.testing.assert_allclose(value, 1 / (1 + np.exp(-raw)), rtol=1e-6)
    layers = params["params"]
    first, second = layers["Dense_0"], layers["Dense_1"]
    hidden = np.maximum(h @ first["kernel"] + first["bias"][None], 0)
    np.testing.assert_allclose(
        raw, (hidden @ second["kernel"])[:, 0] + second["bias"], rtol=1e-5, atol=1e-6
    )


def squared_slopes(critic, params, h):
    slopes = jax.grad(lambda h: jnp.sum(critic.apply(params, h)))(h)
    return jnp.sum(jnp.square(slopes))


def test_gradient_of_the_slope_by_hand():
    """D = sigmoid(w h + c): the slope squared is (D (1 - D))^2 |w|^2."""
    critic, h = Critic((), "sigmoid"), inputs(rows=1)
    params = params_of(critic, h)
    got = jax.grad(lambda p: squared_slopes(critic, p, h))(params)
    layer = params["params"]["Dense_0"]
    w, bias = np.float64(layer["kernel"][:, 0]), np.float64(layer["bias"][0])
    x = np.float64(h[0])
    value = 1 / (1 + np.exp(-(w @ x + bias)))
    spread = value * (1 - value)
    expected = 2 * spread**2 * ((1 - 2 * value) * (w @ w) * x + w)
    np.testing.assert_allclose(
        got["params"]["Dense_0"]["kernel"][:, 0], expected, rtol=1e-4
    )


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_penalty_can_be_differentiated(output):
    critic, h = Critic((8, 8), output), inputs()
    params = params_of(critic, h)
    check_grads(
        jax.jit(lambda params: squared_slopes(critic, params, h)),
        (params,),
        order=1,
        modes=["rev"],
        atol=2e-2,
        rtol=2e-2,
        eps=1e-3,
    )
