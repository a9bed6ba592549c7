"""Programs of GPUs and TPUs, traced and lowered where there are none."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gmmal_jax import bind, keys, planning, pool, selection
from gmmal_jax.embed import CPU_ROWS
from gmmal_jax.mixtures import classwise, em, start
from gmmal_jax.types import Mixture

EXACT = (jax.lax.Precision.HIGHEST,) * 2
LAYERS = 12
"""Convolutions of the small network: the stem, two a block, three projections."""
CONVOLUTIONS = {
    # Forward, by the kernels, by the inputs but the images; and Reg's subset forward.
    "supervised": 3 * LAYERS - 1 + LAYERS,
    "alignment": 3 * LAYERS - 1,
    "readout": LAYERS,
}


@pytest.fixture
def accelerator(monkeypatch):
    """What is traced now takes an accelerator's paths."""
    jax.clear_caches()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    jax.clear_caches()


def stages(precision):
    """Name -> (function, arguments): both phases of the method, and its readout."""
    config = tiny.config(reference="none", **{"train.precision": precision})
    run = bind.prepare(config, Path("unused"), 1)
    trainer, labels = run.arms[0].trainer, run.dataset.train_labels
    rows = np.arange(20)
    labeled = pool.label(pool.make(np.arange(len(labels))), rows, labels[rows], 0)
    data = planning.Data(run.images, labeled)
    state = trainer.init(keys.key(0, "network", 0), None)
    found = {}
    for index, phase in enumerate(trainer.learner.phases):
        address = planning.Address(0, 0, index)
        num_steps = trainer.chunk_steps
        plan = planning.Plan(trainer.chunk_form, phase, address, data, num_steps)
        batch = jax.tree.map(lambda leaf: leaf[0, 0], plan(0))
        step = tiny.on_one_device(phase.step)
        found[phase.name] = (step, (address.key("augmentation"), state, batch))
    images = jnp.asarray(run.dataset.train_images[:CPU_ROWS])
    found["readout"] = (trainer.learner.readout, (state, images))
    return found


def equations(jaxpr):
    """All equations, at any depth."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from equations(inner)


def assert_products_are_exact(jaxpr, name):
    """Of matrix products: float32, and no TF32 on a GPU, no bf16 passes on a TPU."""
    found = [e for e in equations(jaxpr) if e.primitive.name == "dot_general"]
    assert found, name
    for equation in found:
        assert equation.params["precision"] == EXACT, f"{name}: {equation}"
        assert {v.aval.dtype for v in equation.invars} == {jnp.dtype("float32")}, name


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_only_convolutions_round_and_all_are_stock_ones(accelerator, precision):
    """Mixtures, critic and classifier are exact; every stage lowers elsewhere too."""
    wanted = "float32" if precision == "float32" else "bfloat16"
    for name, (function, args) in stages(precision).items():
        traced = jax.jit(function).trace(*args)
        assert_products_are_exact(traced.jaxpr.jaxpr, name)
        convolutions = [
            e for e in equations(traced.jaxpr.jaxpr)
            if e.primitive.name == "conv_general_dilated"
        ]  # fmt: skip
        assert len(convolutions) == CONVOLUTIONS[name]
        for equation in convolutions:
            assert {v.aval.dtype.name for v in equation.invars} == {wanted}, name
        for platform in ("cuda", "tpu"):
            lowered = traced.lower(lowering_platforms=(platform,))
            assert lowered.as_text().count("convolution(") == CONVOLUTIONS[name]


def test_mixtures_and_clusters_are_exact(accelerator):
    n, d, k, key = 60, 4, 3, jax.random.key(0)
    rows, mask, labels = jnp.ones((n, d)), jnp.ones(n, bool), jnp.zeros(n, jnp.int32)
    mixture = Mixture(jnp.full(k, 1 / k), jnp.zeros((k, d)), jnp.ones((k, d)))
    shards, admitted = rows.reshape(5, -1, d), mask.reshape(5, -1)
    fits = {
        "em": lambda: em.fit(rows, mask, mixture, num_iters=2),
        "shards": lambda: em.fit_shards(shards, admitted, mixture, num_iters=2),
        "classes": lambda: classwise.fit(rows, labels, mask, num_classes=k),
        "start": lambda: start.complete(key, mixture, rows, mask),
        "k-means": lambda: selection.kmeans(key, rows, mask, k, max_clusters=k),
    }
    for name, fit in fits.items():
        assert_products_are_exact(jax.make_jaxpr(fit)().jaxpr, name)
