"""Pseudo-labels by hand, one pass for all images, and the average that is read."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import averaging, semi_supervised, task
from gmmal_jax.phases.semi_supervised import Recipe
from gmmal_jax.testing import worlds

TRAIN = TrainConfig(steps=6, chunk_steps=2, batch_size=8, learning_rate=0.05)


def loss(guessed, learned, mask, threshold):
    """((loss, share of sure rows), gradients to both logits)."""

    def value(*logits):
        return semi_supervised.pseudo_label_loss(*logits, mask, threshold)

    @worlds.on_one_device
    def both(*logits):
        grads = jax.grad(lambda *logits: value(*logits)[0], (0, 1))(*logits)
        return value(*logits), grads

    return both(guessed, learned)


def logits(*probabilities):
    """Of two classes, the first with these probabilities."""
    p = np.float32(probabilities)
    return jnp.asarray(np.log([p, 1 - p]).T)


def test_sure_labels_are_learned_and_the_mean_is_over_all_rows():
    """Labels 0, none, 1 of three rows; the fourth is padding."""
    mask = jnp.asarray([True, True, True, False])
    guessed, learned = logits(0.96, 0.94, 0.03, 0.99), logits(0.5, 0.5, 0.9, 0.1)
    (value, sure), (to_labels, to_learner) = loss(guessed, learned, mask, 0.95)
    assert float(sure) == pytest.approx(2 / 3)
    assert float(value) == pytest.approx((np.log(2) + np.log(10)) / 3, rel=1e-5)
    np.testing.assert_array_equal(to_labels, 0)
    by_hand = np.array([[-0.5, 0.5], [0, 0], [0.9, -0.9], [0, 0]]) / 3
    np.testing.assert_allclose(to_learner, by_hand, atol=1e-6)


def test_the_threshold_itself_counts():
    half = logits(0.5)  # exactly
    for threshold, sure in ((0.5, 1), (0.5 + 1e-6, 0)):
        found = loss(half, half, jnp.ones(1, bool), threshold)[0][1]
        assert float(found) == sure


def learner(weight=1.0, threshold=0.4, network=None):
    network = network or worlds.network()

    def views(key, unlabeled):
        weak = network.augmented(key, unlabeled)
        return weak, jnp.flip(weak, axis=1)

    recipe = Recipe(12, views, threshold, lambda clock: jnp.asarray(weight))
    phase = semi_supervised.make_phase(network, TRAIN, recipe)
    return task.make(network, (), TRAIN)._replace(phases=(phase,))


def test_all_images_of_a_step_are_one_batch():
    """8 labeled ones, and 12 in two views: BatchNorm sees 32 rows and no groups."""
    plain, seen = worlds.network(), []

    def train(state, images, mask, groups=1):
        seen.append((images.shape[0], mask.shape[0], groups))
        return plain.train(state, images, mask, groups)

    worlds.cycle(*worlds.world(learner(network=plain._replace(train=train))))
    assert set(seen) == {(32, 32, 1)}


def test_without_weight_unlabeled_images_teach_nothing():
    one = worlds.cycle(*worlds.world(learner(weight=0.0)))[1][-1].state
    other = worlds.cycle(*worlds.world(task.make(worlds.network(), (), TRAIN)))[1][-1]
    chex.assert_trees_all_close(one.model, other.state.model, rtol=1e-4, atol=1e-6)
    taught = worlds.cycle(*worlds.world(learner()))[1][-1]
    assert taught.metrics["semi_supervised"]["confident"] > 0
    moved = taught.state.model.params["hidden"] - one.model.params["hidden"]
    assert np.abs(moved).max() > 1e-3


def states(decay=None):
    """After each step of six."""
    made = learner()
    made = made if decay is None else semi_supervised.with_average(made, decay)
    task_, pool = worlds.world(made, chunk=1)
    return [standing.state for standing in worlds.cycle(task_, pool)[1]]


def test_the_average_is_read_and_the_trained_network_goes_on():
    plain, averages = states(), states(0.3)
    assert len(plain) == len(averages) == 6
    for step, (one, state) in enumerate(zip(plain, averages, strict=True)):
        # Averaging changes nothing of what is trained.
        chex.assert_trees_all_equal(state.trained, one)
        chex.assert_trees_all_equal(state.model.batch_stats, one.model.batch_stats)
        share = float(averaging.recent(jnp.asarray(step), 0.3))
        if step:
            before = averages[step - 1].model.params
            expected = averaging.averaged(before, one.model.params, share)
            chex.assert_trees_all_close(state.model.params, expected, rtol=1e-5)


def test_columns_and_head_are_the_averages():
    made = semi_supervised.with_average(learner(), 0.3)
    state = jax.tree.map(jnp.asarray, states(0.3)[-1])
    images = jnp.asarray(worlds.dataset()[0])
    plain = task.make(worlds.network(), (), TRAIN)
    read = state.trained._replace(model=state.model)
    chex.assert_trees_all_equal(
        made.readout(state, images), plain.readout(read, images)
    )
    chex.assert_trees_all_equal(made.head(state), plain.head(read))
    gap = state.model.params["hidden"] - state.trained.model.params["hidden"]
    assert np.abs(gap).max() > 0


def test_a_network_from_elsewhere_is_read_and_trained_on():
    state = semi_supervised.with_average(learner(), 0.3).init(jax.random.key(0), None)
    other = jax.tree.map(lambda leaf: leaf + 1, state.model)
    moved = state.with_model(other)
    chex.assert_trees_all_equal(moved.model, other)
    chex.assert_trees_all_equal(moved.trained.model, other)
