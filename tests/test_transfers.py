"""What goes from the host to the device: latents once a refit, images never again."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tiny
from transfers import sent

from gmmal_jax import bind, keys, pool
from gmmal_jax.embed import CPU_ROWS
from gmmal_jax.types import PoolView


def world():
    run = bind.prepare(tiny.config(reference="none"), Path("unused"), 1)
    arm, split = run.arms[0], run.splits[0]
    labels = run.dataset.train_labels[split.pool]
    labeled = pool.label(pool.make(split.pool), split.initial, labels[split.initial], 0)
    task = bind.task(run, arm, 0)
    return task, labeled, arm.trainer.init(keys.key(0, "network", 0), None)


def embedded(task, state, images):
    return task.trainer.embed(task.method.learner.readout, state, images)


def refit(task, labeled, state):
    """One refit with its readout, as alignment asks for it."""
    phase, mask = task.method.learner.phases[1], labeled.labeled

    def embed_pool(state):
        columns = embedded(task, state, task.images)
        return PoolView(labeled.ids, mask, ~mask, labeled.labels, columns)

    return phase.refresh(keys.key(0, "order"), state, embed_pool, 0)


def test_nothing_escapes_the_count():
    rows, double = np.ones((7, 3), np.float32), jax.jit(lambda x: 2 * x)
    double(rows)
    assert sent(lambda: jnp.asarray(rows)) == ([("float32", (7, 3))], 84, 0)
    assert sent(lambda: jax.device_put({"a": rows, "b": rows})).total == 168
    assert sent(lambda: double(rows)) == ([], 0, 1)
    assert sent(lambda: double(jnp.ones(3))).total == 0


def test_a_readout_sends_indices_and_a_refit_the_latents_once():
    """Images went along before: 32,000 and 60,096 bytes here, where 400 rows of 8x8
    fill a chunk of 500; at the paper's scale 154 of 256 MB a refit."""
    task, labeled, state = world()
    refit(task, labeled, state)
    for images in (task.images, task.evaluation):
        readout = sent(lambda images=images: embedded(task, state, images))
        chunks = -(-len(images) // CPU_ROWS)
        assert readout.arrays == [("int32", (CPU_ROWS,))] * chunks
        assert readout.unseen == 0
    found, n = sent(lambda: refit(task, labeled, state)), len(task.images)
    d = task.trainer.learner.readout  # the network knows how wide latents are
    d = jax.eval_shape(d, state, jnp.zeros((1, 8, 8, 1), jnp.uint8))["latents"].shape[1]
    assert found.arrays.count(("float32", (n, d))) == 1
    chunk, latents, labels_and_masks = 4 * CPU_ROWS, 4 * n * d, n * (4 + 1 + 1)
    rest = found.total - (chunk + latents + labels_and_masks)
    assert 0 <= rest <= 256, found  # class numbers and two figures of the fit
    assert found.unseen <= 2  # the halves of a key
