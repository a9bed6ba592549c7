"""ce, reg, reg_longer, reg_da: what they share, and what each adds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from rounding import distance, sums_of

from gmmal_jax import config as configs, cycle as cycles
from gmmal_jax.config import TrainConfig
from gmmal_jax.learners import ce, reg, reg_da, reg_longer
from gmmal_jax.phases import mixture_loss, optimizer
from gmmal_jax.strategies import random
from gmmal_jax.types import Batch, Clock, Mixture, Outputs, StepBatch


def config(alpha=1e-4):
    return tiny.config(
        **{"reg.alpha": alpha, "reg.subset_size": 12, "train.weight_decay": 1e-3}
    )


def trained(make, settings):
    task, pool = tiny.world(tiny.made(make, settings), random.make())
    chunks = []
    cycles.run(task, pool, 0, 5, None, lambda c: keep(chunks, c), lambda: None)
    return chunks


def keep(chunks, chunk):
    params = jax.tree.map(np.array, chunk.state.model.params)
    chunks.append((chunk.chunk.name, params, chunk.metrics))


def of_steps(num_steps):
    """So many steps' rounding: sums over pixels forward and over a batch backward."""
    return sums_of(num_steps * (tiny.SIZE**2 + 10))


def test_alpha_zero_is_plain_training_bit_for_bit():
    plain = trained(ce.make, config())
    zero = trained(reg.make, config(alpha=0.0))
    pulled = trained(reg.make, config(alpha=0.1))
    for one, other in zip(
        jax.tree.leaves(plain[-1][1]), jax.tree.leaves(zero[-1][1]), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    differs = jax.tree.map(lambda a, b: np.any(a != b), plain[-1][1], pulled[-1][1])
    assert any(jax.tree.leaves(differs))
    ratios = [m["supervised"]["reg/gradient_ratio"] for _, _, m in pulled]
    assert max(ratios) > 0


def test_stage_1_of_reg_da_is_reg():
    alone = trained(reg.make, config())
    with_da = trained(reg_da.make, config())
    assert [name for name, *_ in with_da] == ["supervised"] * 2 + ["alignment"] * 2
    for one, other in zip(
        jax.tree.leaves(alone[1][1]), jax.tree.leaves(with_da[1][1]), strict=True
    ):
        assert distance(one, other) <= of_steps(2 * 2)


def test_both_controls_of_alignment_train_a_network_without_batch_norm_alike():
    """What tells them apart is then only what BatchNorm sees of the pool."""
    longer = trained(reg_longer.make, config())
    settings = configs.replace(config(), **{"da.beta": 0.0})
    unlabeled_too = trained(reg_da.make, settings)
    assert [name for name, *_ in longer] == ["supervised"] * 2 + ["longer"] * 2
    for one, other in zip(
        jax.tree.leaves(longer[-1][1]), jax.tree.leaves(unlabeled_too[-1][1]),
        strict=True,
    ):  # fmt: skip
        assert distance(one, other) <= of_steps(4 * 2)
    before = jax.tree.leaves(longer[1][1])
    after = jax.tree.leaves(longer[-1][1])
    assert any(np.any(a != b) for a, b in zip(before, after, strict=True))


def test_the_mixture_loss_by_hand():
    """z = 0.5 between N(0, 1) and N(2, 1), y = 0: 0.313262, gradient 0.537883."""
    network = tiny.network()._replace(num_classes=2)
    made = mixture_loss.make(network, configs.RegConfig(), configs.MixtureConfig())
    mixture = Mixture(jnp.full(2, 0.5), jnp.asarray([[0.0], [2.0]]), jnp.ones((2, 1)))
    rows = Batch(
        jnp.zeros((1, 1, 1, 1), jnp.uint8), jnp.zeros(1, int), jnp.ones(1, bool)
    )
    batch = StepBatch(Clock(jnp.zeros((), int), *jnp.ones(2, int)), rows)

    def value(z):
        return made.loss(None, mixture, Outputs(jnp.zeros((1, 2)), z, ()), batch)

    run = tiny.on_one_device(jax.value_and_grad(value))
    loss, gradient = run(jnp.asarray([[0.5]]))
    # Two log-densities of three terms each, at most 3 nats: log(1 + 1/e), 2/(1 + e).
    rounding = 3 * sums_of(2 * 3)
    found = (np.asarray(value).item() for value in (loss, gradient))
    for value, expected in zip(
        found, (np.log1p(1 / np.e), 2 / (1 + np.e)), strict=True
    ):
        np.testing.assert_allclose(value, expected, atol=rounding)


@pytest.mark.parametrize(
    ("nesterov", "after"), [(False, (1.4, 0.54)), (True, (0.86, -0.1827))]
)
def test_sgd_is_pytorchs(nesterov, after):
    """Decay before momentum: v = 0.9 v + (g + wd p), p -= lr v, by hand.

    Nesterov's has g + wd p + 0.9 v in place of v.
    """
    sgd = optimizer.sgd(TrainConfig(weight_decay=0.1, nesterov=nesterov))
    params, state = jnp.asarray([2.0]), sgd.init(jnp.asarray([2.0]))
    for gradient, expected in zip((1.0, 0.5), after, strict=True):
        params, state = optimizer.descend(
            sgd, jnp.asarray([gradient]), state, params, jnp.asarray(0.5)
        )
        np.testing.assert_allclose(np.asarray(params), [expected], rtol=1e-6)


def test_the_rate_drops_on_a_chunks_boundary():
    def rate(step, num_steps, chunk=50):
        clock = Clock(*map(jnp.asarray, (step, num_steps, num_steps)))
        return float(optimizer.step_decay(clock, 0.1, 0.8, 0.1, chunk))

    assert np.isclose(rate(1599, 2000), 0.1) and np.isclose(rate(1600, 2000), 0.01)
    assert np.isclose(rate(7999, 10_000), 0.1) and np.isclose(rate(8000, 10_000), 0.01)
    assert np.isclose(rate(249, 300), 0.1) and np.isclose(rate(250, 300), 0.01)


def test_the_rate_falls_more_than_once():
    """At 60 and 80 of 100 epochs by half; by a tenth after each quarter."""

    def rates(**changes):
        config = TrainConfig(chunk_steps=50, **changes)
        steps = jnp.arange(2000)
        length = jnp.full(2000, 2000)
        clock = Clock(steps, length, length)
        return np.asarray(jax.vmap(lambda c: optimizer.scheduled(c, config))(clock))

    halved = rates(learning_rate=0.02, decay_at=0.6, decay=0.5, decays=2)
    wanted = np.repeat([0.02, 0.01, 0.005], [1200, 400, 400])
    np.testing.assert_allclose(halved, wanted, rtol=1e-6)
    quarters = rates(learning_rate=0.1, decay_at=0.25, decays=3)
    wanted = np.repeat([0.1, 0.01, 1e-3, 1e-4], 500)
    np.testing.assert_allclose(quarters, wanted, rtol=1e-6)
