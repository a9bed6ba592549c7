"""What phases share of the network: rows over devices, two batches in one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from gmmal_jax.config import TrainConfig
from gmmal_jax.data import batches
from gmmal_jax.phases import network as networks, optimizer
from gmmal_jax.types import AXIS, ModelState

ROWS = 10


def on_devices(function, num, *values):
    """Map over rows padded and shared as batches are; results [num, ...] each."""
    rows = batches.share(np.arange(ROWS)[None], np.ones((1, ROWS), bool), num)
    indices, mask = rows.indices[0], jnp.asarray(rows.mask[0])
    shares = (jnp.asarray(np.where(mask, v[indices], np.nan)) for v in values)
    return jax.pmap(function, AXIS)(*shares, mask)


def values(seed=0):
    return np.random.default_rng(seed).normal(size=ROWS).astype(np.float32)


@pytest.mark.parametrize("num", [1, 2, 8])
def test_all_rows_come_in_the_order_of_the_global_batch(num):
    found = on_devices(lambda x, mask: networks.all_rows(x), num, values())
    for device in np.asarray(found):
        np.testing.assert_array_equal(device[:ROWS], values())
        assert np.isnan(device[ROWS:]).all()


@pytest.mark.parametrize("num", [1, 2, 8])
def test_partners_are_the_last_rows_first_whatever_the_padding(num):
    found = on_devices(networks.mirrored, num, values())
    np.testing.assert_array_equal(np.asarray(found).ravel()[:ROWS], values()[::-1])
    assert np.isfinite(found).all()


def ranking(x, mask):
    """A loss on pairs, as a device's share of the mean; the pairs are not symmetric."""
    x = jnp.where(mask, x, 0.0)
    gaps = jnp.square(x) * jnp.sin(networks.mirrored(x, mask))
    return networks.global_mean(gaps, mask)


@pytest.mark.parametrize("num", [1, 2, 8])
def test_gradients_through_the_rows_of_other_devices(num):
    found = on_devices(jax.grad(ranking), num, values())
    x, partner = values().astype(np.float64), values()[::-1].astype(np.float64)
    by_hand = (2 * x * np.sin(partner) + np.square(partner) * np.cos(x)) / ROWS
    np.testing.assert_allclose(np.asarray(found).ravel()[:ROWS], by_hand, rtol=1e-4)
    assert (np.asarray(found).ravel()[ROWS:] == 0).all()


@pytest.mark.parametrize("num", [1, 2, 8])
def test_minimize_sums_the_shares_of_all_devices(num):
    """Mean of (w - x)^2 with rate 0.5: w becomes the mean of x."""
    sgd = optimizer.sgd(TrainConfig(momentum=0.0, weight_decay=0.0))

    def step(x, mask):
        x = jnp.where(mask, x, 0.0)

        def objective(w):
            loss = networks.global_mean(jnp.square(w - x), mask)
            return loss, (mask.sum(), {"loss": loss})

        zero = jnp.zeros(())
        return optimizer.minimize(sgd, objective, zero, sgd.init(zero), 0.5 + zero)

    done = on_devices(step, num, values())
    np.testing.assert_allclose(done.params, values().mean(), rtol=1e-5)
    loss = np.square(values()).mean()
    np.testing.assert_allclose(done.metrics["loss"], loss, rtol=1e-5)
    assert int(done.aux.sum()) == ROWS
    assert isinstance(done.moments, type(sgd.init(jnp.zeros(()))))
    assert optax.tree.norm(done.moments) > 0


def small():
    form = networks.ImageForm((8, 8, 1), (0.5,), (0.5,), pad=1)
    return networks.make("small", 2, 3, form)


def test_two_batches_in_one_pass():
    """Apart they are two passes in order; jointly BatchNorm mixes them."""
    network, generator = small(), np.random.default_rng(0)
    pair = tuple(jnp.asarray(generator.normal(size=(2, 4, 8, 8, 1)), jnp.float32))
    masks = (jnp.ones(4, bool),) * 2
    model = jax.jit(network.init)(jax.random.key(0))

    def both(model, joint):
        return networks.forward_both(network, model, pair, masks, joint=joint)

    def one_after_the_other(model):
        first, stats = network.train(model, pair[0], masks[0])
        model = ModelState(model.params, stats)
        second, stats = network.train(model, pair[1], masks[1])
        return (first, second), stats

    def run(model):
        return both(model, False), one_after_the_other(model), both(model, True)

    apart, wanted, joint = tiny.on_one_device(run)(model)
    for a, b in zip(jax.tree.leaves(apart), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    first, second = apart[0]
    assert first.logits.shape == second.logits.shape == (4, 3)
    assert np.abs(np.asarray(first.logits - joint[0][0].logits)).max() > 1e-3
