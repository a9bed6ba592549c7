"""ResNet-50, one-cycle rate and bf16 together: two steps of Reg at width 2."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gmmal_jax import bind, keys, parallel, planning, pool
from gmmal_jax.config import presets, replace
from gmmal_jax.phases import network as networks

WIDTH = 2
LATENT = 32 * WIDTH


@pytest.fixture(scope="module")
def run():
    config = replace(tiny.config(reference="none"), **presets.named(["onecycle"]))
    assert config.model == "resnet50" and config.width == WIDTH
    return bind.prepare(config, Path("unused"), 1)


def leaves(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


@pytest.fixture(scope="module")
def trained(run):
    """State before, state after, metrics of a chunk of two steps."""
    dataset, trainer = run.dataset, run.arms[0].trainer
    rows, ids = np.arange(20), np.arange(len(dataset.train_labels))
    labeled = pool.label(pool.make(ids), rows, dataset.train_labels[rows], 0)
    data, address = planning.Data(run.images, labeled), planning.Address(0, 0, 0)
    phase = trainer.learner.phases[0]
    batch = planning.Plan(trainer.chunk_form, phase, address, data, 4)(0)
    before = trainer.init(keys.key(0, "network", 0), None)
    old = jax.tree.map(np.array, before.model)
    key = address.key("augmentation")
    state, metrics = parallel.run_chunk(trainer.steps[0], key, before, batch)
    return old, state, metrics


def test_a_step_moves_every_parameter(trained):
    old, state, metrics = trained
    assert np.isfinite(metrics["loss"]).all() and len(metrics["loss"]) == 2
    assert (np.asarray(metrics["reg/gradient_ratio"]) > 0).all()
    for before, after in zip(leaves(old), leaves(state.model), strict=True):
        assert np.isfinite(after).all() and np.any(after != before)


def test_statistics_and_mixtures_stay_float32(trained):
    _, state, metrics = trained
    assert len(leaves(state.own.critic.labeled)) == 3
    kinds = {leaf.dtype for leaf in leaves((state, metrics))}
    assert kinds <= {np.dtype(np.float32), np.dtype(np.int32)}


def test_maps_are_bf16_and_latents_are_not(run, trained):
    _, state, _ = trained
    form = networks.ImageForm((8, 8, 1), (0.5,), (0.5,), precision="bf16")
    network = networks.make("resnet50", WIDTH, 10, form)
    outputs = jax.eval_shape(network.predict, state.model, jnp.zeros((3, 8, 8, 1)))
    assert network.latent_size == LATENT
    assert outputs.latents.shape == (3, LATENT) and outputs.logits.shape == (3, 10)
    assert {outputs.latents.dtype, outputs.logits.dtype} == {np.dtype(np.float32)}
    assert [stage.shape for stage in outputs.maps] == [
        (3, size, size, 4 * WIDTH * 2**i) for i, size in enumerate((8, 4, 2, 1))
    ]
    assert network.map_shapes == tuple(stage.shape[1:] for stage in outputs.maps)
    assert {stage.dtype for stage in outputs.maps} == {np.dtype(jnp.bfloat16)}
