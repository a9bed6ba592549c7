"""Learning Loss: its ranking loss by hand, its gate, and a loss that can be learned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from gmmal_jax.config import TrainConfig
from gmmal_jax.learners import ll4al
from gmmal_jax.models.loss_head import LossHead
from gmmal_jax.phases import network as networks, ranking
from gmmal_jax.testing import worlds
from gmmal_jax.types import Batch, Clock, Outputs, StepBatch

pair_loss = worlds.on_one_device(ranking.hinge)


def ranking_loss(network):
    return ranking.make(network, "ranking", ranking.hinge, "predicted_loss")


def value(predicted, losses, rows=None):
    rows = len(losses) if rows is None else rows
    mask = np.arange(len(losses)) < rows
    predicted, losses = np.float32(predicted), np.float32(losses)
    return float(pair_loss(predicted, losses, mask))


@pytest.mark.parametrize(
    ("predicted", "losses", "wanted"),
    [
        ((1, 2), (3, 1), 2.0),
        ((2, 1), (3, 1), 0.0),
        ((1.5, 1), (3, 1), 0.5),
        ((1, 2), (1, 1), 0.0),  # a tie counts as the second one's being larger
        ((2, 1), (1, 1), 2.0),
        ((1, 0, 0, 2), (3, 0, 1, 1), 1.5),  # pairs (0, 3) and (1, 2)
        ((1, 9, 2), (3, 9, 1), 2.0),  # the middle one has no partner
    ],
)
def test_the_ranking_loss_by_hand(predicted, losses, wanted):
    assert value(predicted, losses) == pytest.approx(wanted)


def test_padding_has_no_influence():
    padded = value((1, 0, 0, 2, 7, -7), (3, 0, 1, 1, 5, 0), rows=4)
    assert padded == value((1, 0, 0, 2), (3, 0, 1, 1))


@pytest.mark.parametrize("num_steps", [200, 1000, 7])
def test_the_gradient_stops_after_three_fifths_of_the_steps(num_steps):
    steps = jnp.arange(num_steps)
    lengths = (jnp.full(num_steps, num_steps),) * (len(Clock._fields) - 1)
    gates = ranking_loss(worlds.network()).gate(Clock(steps, *lengths))
    assert gates.sum() == round(0.6 * num_steps) and gates[0] == 1
    assert np.all(np.diff(gates) <= 0)


def test_the_module_reads_the_maps_of_any_network():
    form = networks.ImageForm((8, 8, 1), (0.5,), (0.5,))
    network = networks.make("small", 4, 3, form)
    assert network.map_shapes == ((8, 8, 4), (4, 4, 8), (2, 2, 16), (1, 1, 32))
    params = jax.eval_shape(ranking_loss(network).init, jax.random.key(0))
    layers = params["params"]
    assert [layers[f"map_{i}"]["kernel"].shape for i in range(4)] == [
        (4, 128), (8, 128), (16, 128), (32, 128),
    ]  # fmt: skip
    assert layers["loss"]["kernel"].shape == (512, 1)


def test_the_module_pools_and_starts_as_pytorchs():
    maps = tuple(jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 2, c)))
                 for c in (16, 64))  # fmt: skip
    head = LossHead()
    params = head.init(jax.random.key(0), maps)
    pooled = tuple(each.mean((1, 2), keepdims=True) for each in maps)
    np.testing.assert_allclose(
        head.apply(params, maps), head.apply(params, pooled), rtol=1e-5, atol=1e-6
    )
    for name, fan_in in (("map_0", 16), ("map_1", 64), ("loss", 256)):
        for leaf in params["params"][name].values():
            assert np.abs(leaf).max() <= fan_in**-0.5
    spread = np.std(params["params"]["map_1"]["kernel"])
    assert spread == pytest.approx(64**-0.5 / np.sqrt(3), rel=0.05)


def test_it_learns_to_rank_images_whose_loss_a_map_tells():
    """Half the labels are wrong where the map is large: there the loss is large."""
    network, rows = worlds.network(), 60
    loss, generator = ranking_loss(network), np.random.default_rng(0)
    hard = jnp.asarray(generator.uniform(size=rows), jnp.float32)
    maps = (jnp.stack([hard] + [jnp.ones(rows)] * 4, 1)[:, None, None],)
    logits = jnp.stack([-5 * hard, *[jnp.zeros(rows)] * 2], 1)
    blank = jnp.zeros((rows, 1, 1, 1), jnp.uint8)
    labeled = Batch(blank, jnp.zeros(rows, jnp.int32), jnp.ones(rows, bool))

    def step(params, key):
        order = jax.random.permutation(key, rows)
        outputs = Outputs(logits[order], logits[order], (maps[0][order],))
        grads = jax.grad(loss.loss)(params, None, outputs, StepBatch(None, labeled))
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, grads), None

    train = worlds.on_one_device(lambda p, keys: jax.lax.scan(step, p, keys))
    keys = jax.random.split(jax.random.key(1), 200)
    params, _ = train(loss.init(jax.random.key(0)), keys)
    predicted = loss.columns(params, Outputs(logits, logits, maps))["predicted_loss"]
    assert stats.spearmanr(predicted, hard).statistic > 0.9


def test_the_module_trains_to_the_last_step():
    """Also in the last two of five, when the network feels it no more."""
    train = TrainConfig(steps=5, chunk_steps=1, batch_size=8, learning_rate=0.05)
    learner = ll4al.make(worlds.network(), train)
    _, chunks = worlds.cycle(*worlds.world(learner, chunk=1))
    heads = [chunk.state.heads["ranking"]["params"] for chunk in chunks]
    kernels = [head["loss"]["kernel"] for head in heads]
    assert len(kernels) == 5
    assert all(np.any(a != b) for a, b in zip(kernels, kernels[1:], strict=False))
