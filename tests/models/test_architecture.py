"""Plain Linen and NNX modules train as networks of ours do."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from flax import nnx

from gmmal_jax import config as configs, cycle as cycles
from gmmal_jax.models import architecture as architectures
from gmmal_jax.models.normalization import BatchNorm
from gmmal_jax.phases import network as networks, task as tasks
from gmmal_jax.strategies import random
from gmmal_jax.types import AXIS, Outputs

SHAPE = (tiny.SIZE, tiny.SIZE, 1)
FORM = networks.ImageForm(SHAPE, (0.5,), (0.5,))
TRAIN = configs.TrainConfig(
    steps=20, chunk_steps=10, batch_size=10, learning_rate=0.1, decay=1.0
)


class Plain(nn.Module):
    """LayerNorm and stock convolutions; it knows no mask, mode or device."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(4, (3, 3), strides=2)(x))
        latents = nn.LayerNorm()(x).mean((1, 2))
        return Outputs(nn.Dense(tiny.CLASSES, name="head")(latents), latents, (x,))


class Stock(nn.Module):
    """Flax's own BatchNorm, which knows neither masks nor devices."""

    @nn.compact
    def __call__(self, x, train):
        x = nn.BatchNorm(use_running_average=not train)(x)
        latents = nn.relu(nn.Dense(4)(x.reshape(x.shape[0], -1)))
        return Outputs(nn.Dense(tiny.CLASSES)(latents), latents, ())


class Ours(nn.Module):
    """BatchNorm over devices in somebody else's module."""

    @nn.compact
    def __call__(self, x, mask, train, axis_name, groups):
        x = BatchNorm(train, axis_name, groups)(x, mask)
        latents = nn.relu(nn.Dense(4)(x.reshape(x.shape[0], -1)))
        return Outputs(nn.Dense(tiny.CLASSES)(latents), latents, ())


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(1, 4, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.head = nnx.Linear(4, tiny.CLASSES, rngs=rngs)

    def __call__(self, x):
        x = nnx.relu(self.norm(self.conv(x)))
        latents = x.mean((1, 2))
        return Outputs(self.head(latents), latents, (x,))


def network(name):
    made = {
        "plain": lambda: architectures.from_linen(Plain(), head="head"),
        "stock": lambda: architectures.from_linen(Stock(), scan_safe=True),
        "ours": lambda: architectures.from_linen(Ours(), scan_safe=True),
        "nnx": lambda: architectures.from_nnx(Nnx, head="head"),
    }
    return networks.bind(made[name](), FORM)


def images(rows=8):
    return jnp.asarray(np.random.default_rng(0).normal(size=(rows, *SHAPE)), "float32")


@pytest.mark.parametrize("name", ["plain", "stock", "nnx"])
def test_a_cycle_with_somebody_elses_network(name):
    learner = tasks.make(network(name), (), TRAIN)
    task, pool = tiny.world(learner, random.make(), chunk=10)
    assert learner.phases[0].scan_safe == (name == "stock")
    assert task.trainer.steps[0].scanned == (name == "stock")
    chunks = []
    outcome = cycles.run(task, pool, 0, 5, None, chunks.append, lambda: None)
    losses = [chunk.metrics["supervised"]["loss"] for chunk in chunks]
    assert losses[-1] < losses[0]
    assert outcome.view.columns["latents"].shape == (90, 4)


@pytest.mark.parametrize("name", ["plain", "nnx"])
def test_the_head_leads_from_latents_to_logits(name):
    made = network(name)
    model = jax.jit(made.init)(jax.random.key(0))
    outputs = made.predict(model, images())
    kernel, bias = made.head(model)
    logits = outputs.latents @ kernel + bias[None]
    np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-5)
    assert made.map_shapes == ((3, 3, 4),) and made.latent_size == 4


@pytest.mark.parametrize("name", ["stock", "ours", "nnx"])
def test_batches_apart_are_passes_in_order(name):
    made = network(name)
    model = jax.jit(made.init)(jax.random.key(0))
    x, mask = images(), jnp.ones(8, bool)

    def run(model):
        apart, stats = made.train(model, x, mask, groups=2)
        first, between = made.train(model, x[:4], mask[:4])
        model = model._replace(batch_stats=between)
        second, after = made.train(model, x[4:], mask[4:])
        return (apart.logits, stats), ([first.logits, second.logits], after)

    (logits, stats), (parts, after) = tiny.on_one_device(run)(model)
    np.testing.assert_allclose(logits, np.concatenate(parts), rtol=1e-4, atol=1e-5)
    for a, b in zip(jax.tree.leaves(stats), jax.tree.leaves(after), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    changed = jax.tree.map(lambda a, b: np.any(a != b), stats, model.batch_stats)
    assert any(jax.tree.leaves(changed))


@pytest.mark.parametrize(("name", "exact"), [("stock", False), ("ours", True)])
def test_running_averages_are_equal_on_all_devices(name, exact):
    """Stock ones are averaged over the devices; ours know the global batch."""
    made = network(name)
    model = jax.jit(made.init)(jax.random.key(0))

    def run(x):
        return made.train(model, x, jnp.ones(x.shape[0], bool))[1]

    many = jax.pmap(run, AXIS)(images().reshape(2, 4, *SHAPE))
    one = tiny.on_one_device(run)(images())
    for leaf, whole in zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True):
        np.testing.assert_array_equal(leaf[0], leaf[1])
        if exact:
            np.testing.assert_allclose(leaf[0], whole, rtol=1e-5, atol=1e-6)
