"""bf16: feature maps only; what is float32 stays so, and how far the latents move."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from rounding import SAFETY

from gmmal_jax import bind, keys, parallel, planning, pool
from gmmal_jax.mixtures import classwise, gaussian
from gmmal_jax.models import normalization
from gmmal_jax.phases import adversary as adversaries, network as networks

ROWS, WIDTH = 100, 4
MAPS = 1 + 8 + 8 + 3 + 4
"""Feature maps that a ResNet-18 rounds one after the other: of the stem, of two
convolutions in each of eight blocks and their normalizations, of shortcuts, sums."""
LATENT_BOUND = SAFETY * 2.0**-9 * np.sqrt(MAPS / 3)
"""Relative, 0.022: bf16 rounds by up to 2^-9, evenly, so by a third of its square."""


def config(precision="bf16"):
    changes = {"width": WIDTH, "train.precision": precision, "reg.subset_size": 20}
    return tiny.config(reference="none", **changes)


@functools.cache
def run_of(precision):
    return bind.prepare(config(precision), Path("unused"), 1)


@functools.cache
def network_of(precision):
    data = run_of(precision).dataset
    form = networks.ImageForm((8, 8, 1), data.mean, data.std, precision=precision)
    return networks.make("small", WIDTH, 10, form)


def data():
    held = run_of("bf16").dataset
    images = network_of("bf16").normalized(jnp.asarray(held.train_images[:ROWS]))
    return images, jnp.asarray(held.train_labels[:ROWS], jnp.int32)


def gradients(state, precision):
    network, (images, labels) = network_of(precision), data()

    def loss(params):
        outputs, stats = network.train(
            state._replace(params=params), images, jnp.ones(ROWS, bool)
        )
        return networks.cross_entropy(outputs.logits, labels).mean(), (outputs, stats)

    return jax.value_and_grad(loss, has_aux=True)(state.params)


@pytest.fixture(scope="module")
def state():
    """Forty steps of full-batch descent in bf16."""

    def step(state, _):
        (loss, (_, stats)), grads = gradients(state, "bf16")
        params = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, grads)
        return state._replace(params=params, batch_stats=stats), loss

    fresh = jax.jit(network_of("bf16").init)(jax.random.key(0))
    descend = tiny.on_one_device(lambda s: jax.lax.scan(step, s, None, length=40))
    trained, losses = descend(fresh)
    assert float(losses[-1]) < 0.2 * float(losses[0])
    return jax.tree.map(np.asarray, trained)


def distance(a, b):
    return np.linalg.norm(np.subtract(a, b)) / np.linalg.norm(a)


def assert_float32(tree):
    for leaf in jax.tree.leaves(tree):
        assert leaf.dtype in (jnp.float32, jnp.int32)  # Adam counts its steps
        assert not getattr(leaf, "weak_type", False)


@pytest.fixture(scope="module")
def outputs(state):
    """Precision -> outputs by the running averages."""
    images, _ = data()
    return {
        name: jax.jit(network_of(name).predict)(state, images)
        for name in ("float32", "bf16")
    }


def test_latents_and_logits_agree_to_a_bound(outputs):
    full, half = outputs["float32"], outputs["bf16"]
    assert 0 < distance(full.latents, half.latents) < LATENT_BOUND
    assert distance(full.logits, half.logits) < LATENT_BOUND
    assert (full.logits.argmax(1) == half.logits.argmax(1)).mean() >= 0.99


def test_only_the_feature_maps_are_bf16(outputs):
    half = outputs["bf16"]
    assert {leaf.dtype for leaf in half.maps} == {jnp.dtype(jnp.bfloat16)}
    assert_float32((half.latents, half.logits, outputs["float32"]))


def test_latents_are_not_rounded_to_bf16():
    """The mean over a map of more than one pixel is taken in float32."""
    form = networks.ImageForm((16, 16, 1), (0.5,), (0.5,), precision="bf16")
    network = networks.make("small", 2, 3, form)
    images = jnp.asarray(
        np.random.default_rng(0).normal(size=(8, 16, 16, 1)), "float32"
    )
    model = jax.jit(network.init)(jax.random.key(0))
    latents = jax.jit(network.predict)(model, images).latents
    assert np.any(np.asarray(latents.astype(jnp.bfloat16), np.float32) != latents)


def test_likelihoods_of_given_latents_do_not_know_the_precision(outputs):
    latents = outputs["float32"].latents
    columns = []
    for name in ("float32", "bf16"):
        adversary = tiny.made(adversaries.make, config(name), network_of(name))
        critic = adversaries.init(adversary, jax.random.key(0))
        columns.append(
            jax.jit(functools.partial(adversaries.columns, adversary))(critic, latents)
        )
    assert_float32(columns)
    for name, values in columns[0].items():
        np.testing.assert_array_equal(values, columns[1][name])


def test_likelihoods_of_bf16_latents_agree_to_a_bound(outputs):
    _, labels = data()
    full, half = outputs["float32"].latents, outputs["bf16"].latents
    mixture = classwise.fit(full, labels, jnp.ones(ROWS, bool), num_classes=10)
    assert_float32(mixture)
    nats = [gaussian.log_likelihood(z, mixture) for z in (full, half)]
    slopes = jax.grad(lambda z: gaussian.log_likelihood(z, mixture).sum())(full)
    # Latents move by that share of their lengths, along the slope at the most.
    lengths = [np.linalg.norm(x, axis=1) for x in (slopes, full)]
    bound = LATENT_BOUND * (lengths[0] * lengths[1]).mean()
    assert np.abs(nats[0] - nats[1]).mean() < bound


def test_gradients_are_finite_float32_and_point_the_same_way(state):
    flat = []
    for name in ("float32", "bf16"):
        measure = tiny.on_one_device(functools.partial(gradients, precision=name))
        (_, (_, stats)), grads = measure(state)
        assert_float32((grads, stats))
        flat.append(np.concatenate([np.ravel(g) for g in jax.tree.leaves(grads)]))
    assert np.isfinite(flat[1]).all()
    cosine = flat[0] @ flat[1] / np.linalg.norm(flat[0]) / np.linalg.norm(flat[1])
    # Seen: 0.97; so near a minimum the gradient is small beside the rounding.
    assert cosine > 0.9


def test_what_the_backward_pass_keeps_of_a_map_is_bf16():
    x, ones = jnp.ones((4, 2, 2, 3), jnp.bfloat16), jnp.ones(3)
    _, kept = jax.eval_shape(
        lambda x: normalization._forward(x, ones, ones, ones, jnp.ones(4, bool), None),
        x,
    )
    assert [leaf.dtype for leaf in kept if leaf.ndim == 4] == [jnp.bfloat16]


def test_training_compiles_once_and_its_state_stays_strong_float32():
    run, compiled = run_of("bf16"), []
    arm, chunk = run.arms[0], run.config.train.chunk_steps
    rows = np.arange(20)
    ids = np.arange(len(run.dataset.train_images))
    labeled = pool.label(pool.make(ids), rows, run.dataset.train_labels[rows], 0)
    trainer, data = arm.trainer, planning.Data(run.images, labeled)
    state = trainer.init(keys.key(0, "network", 0), None)
    assert_float32(state)

    def listen(name, seconds, **kwargs):
        if name == "/jax/core/compile/backend_compile_duration":
            compiled.append(name)

    for step in (0, chunk):
        if step:
            jax.monitoring.register_event_duration_secs_listener(listen)
        address = planning.Address(0, 0, 0)
        phase = trainer.learner.phases[0]
        batch = planning.Plan(trainer.chunk_form, phase, address, data, 2 * chunk)(step)
        key = address.key("augmentation")
        state, metrics = parallel.run_chunk(trainer.steps[0], key, state, batch)
        assert_float32((state, metrics))
        assert np.isfinite(metrics["loss"]).all()
    jax.monitoring.unregister_event_duration_listener(listen)
    assert not compiled
