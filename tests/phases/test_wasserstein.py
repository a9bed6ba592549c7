"""WAAL's critic against a float64 reading of its equations."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from rounding import sums_of

from gmmal_jax import config as configs
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases import adversary as adversaries, critic_losses, wasserstein
from gmmal_jax.testing import worlds
from gmmal_jax.types import Batch, Clock, StepBatch

REFERENCE = np.load(Path(__file__).parent.parent / "reference" / "waal.npz")
ROWS, LATENT = REFERENCE["labeled"].shape
HIDDEN = REFERENCE["bias_0"].size
NAMES = ("kernel_0", "bias_0", "kernel_1", "bias_1")
WAAL = configs.WaalConfig(alpha=0.7, hidden=HIDDEN)


def settings(**changes):
    return configs.Config(waal=WAAL, **changes)


def adversary(factory=wasserstein.make, latent_size=LATENT, **changes):
    network = tiny.network()._replace(latent_size=latent_size)
    return tiny.made(factory, settings(**changes), network)


def params_of(arrays):
    layers = {
        f"Dense_{i}": {part: arrays[f"{part}_{i}"] for part in ("kernel", "bias")}
        for i in range(2)
    }
    return {"params": jax.tree.map(jnp.asarray, layers)}


def batch(counts=tuple(REFERENCE["counts"]), rows=ROWS):
    blank = jnp.zeros((rows, 1, 1, 1), jnp.uint8)
    each = Batch(blank, jnp.zeros(rows, int), jnp.ones(rows, bool))
    clock = Clock(jnp.int32(0), *jnp.full(2, 2000))
    return StepBatch(clock, each, each, counts=jnp.asarray(counts, jnp.int32))


INPUTS = [jnp.asarray(REFERENCE[name]) for name in ("labeled", "unlabeled")]
PARAMS = params_of(REFERENCE)


@pytest.fixture
def given(monkeypatch):
    """The reference's places between the inputs, and its units at rest."""
    kept = [jnp.asarray(factors) for factors in REFERENCE["kept"]]
    draws = iter(2 * kept)
    monkeypatch.setattr(
        critic_losses, "drop", lambda made, *_: (next(draws),) if made.dropout else ()
    )
    mix = jnp.asarray(REFERENCE["mix"])
    monkeypatch.setattr(critic_losses, "own_rows", lambda draw, mask: mix)


def assert_gradients(found, kind):
    """A gradient is a sum over rows, units and latents, of terms of its own size."""
    wanted = params_of({name: REFERENCE[f"{kind}_{name}"] for name in NAMES})
    terms = 3 * ROWS * HIDDEN * LATENT
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        # Terms of both signs: ten times what the sums leave.
        size = 10 * np.abs(other).max()
        np.testing.assert_allclose(one, other, atol=sums_of(terms) * size)


def test_the_papers_loss_and_its_gradient(given):
    made = adversary()

    def objective(params):
        gap = critic_losses.distance(made, jax.random.key(0), params, INPUTS, batch())
        key = jax.random.key(1)
        slopes = critic_losses.mean_penalty(made, key, params, INPUTS, batch())
        return made.da.penalty_weight * slopes - gap

    value, grads = worlds.on_one_device(jax.value_and_grad(objective))(PARAMS)
    np.testing.assert_allclose(value, REFERENCE["paper_loss"], rtol=1e-5)
    assert_gradients(grads, "paper")


def test_the_codes_loss_and_its_gradient(given):
    made = adversary(wasserstein.make_of_code)._replace(dropout=0.0)

    def objective(params):
        keys = jax.random.split(jax.random.key(0), 3)
        return wasserstein.code_loss(made, keys, params, INPUTS, batch())[0]

    value, grads = worlds.on_one_device(jax.value_and_grad(objective))(PARAMS)
    np.testing.assert_allclose(value, REFERENCE["code_loss"], rtol=1e-5)
    assert_gradients(grads, "code")


@pytest.mark.parametrize("sides", ["one", "two"])
def test_the_penalty_at_three_sets(given, sides):
    made = adversary(da=configs.AlignConfig(penalty_sides=sides))

    def penalty(params):
        key = jax.random.key(0)
        return critic_losses.mean_penalty(made, key, params, INPUTS, batch())

    found = worlds.on_one_device(penalty)(PARAMS)
    np.testing.assert_allclose(found, REFERENCE[f"penalty_{sides}"], rtol=1e-5)


def test_the_networks_term_pulls_at_latents_only(given):
    made = adversary()

    def term(inputs, params):
        key = jax.random.key(0)
        apart = critic_losses.distance(made, key, params, inputs, batch())
        return made.da.beta * apart

    value, grads = worlds.on_one_device(jax.value_and_grad(term))(INPUTS, PARAMS)
    np.testing.assert_allclose(value, REFERENCE["term"], rtol=1e-5)
    for found, name in zip(grads, ("labeled", "unlabeled"), strict=True):
        wanted = REFERENCE[f"term_{name}"]
        rounding = sums_of(HIDDEN) * 10 * np.abs(wanted).max()
        np.testing.assert_allclose(found, wanted, atol=rounding)


def test_a_critic_that_rests_half_its_units_tells_two_gaussians_apart():
    """As in test_adversary; clip(x - 1, 0, 1)'s 0.85 bounds it where nothing rests."""
    wide = configs.WaalConfig(hidden=64, penalty_weight=10.0, dropout=0.5)
    made = tiny.made(
        wasserstein.make,
        configs.Config(waal=wide, da=configs.AlignConfig(decay=1.0)),
        tiny.network()._replace(latent_size=1),
    )
    state = jax.jit(lambda: adversaries.init(made, jax.random.key(0)))()
    rows = batch(counts=(128, 128), rows=128)

    def step(state, key):
        k_l, k_u, k_step = jax.random.split(key, 3)
        z_l, z_u = (jax.random.normal(k, (128, 1)) for k in (k_l, k_u))
        state, _ = critic_losses.critic_step(made, k_step, state, (z_l, z_u + 3), rows)
        return state, None

    keys = jax.random.split(jax.random.key(1), 1000)
    run = worlds.on_one_device(lambda state, keys: jax.lax.scan(step, state, keys))
    state, _ = run(state, keys)
    x = np.random.default_rng(0).normal(size=(4000, 1)).astype(np.float32)
    values = [adversaries.judge(made, state.params, jnp.asarray(x + off)).mean()
              for off in (3, 0)]  # fmt: skip
    assert 0.6 < values[0] - values[1] < 0.87


@pytest.mark.parametrize("counts", [(30, 120), (120, 30)])
def test_the_labeled_batch_weighs_as_many_images_as_there_are(counts):
    """In the code's form."""
    made = adversary(wasserstein.make_of_code)._replace(dropout=0.0)

    def run(params):
        key = jax.random.key(0)
        return critic_losses.distance(made, key, params, INPUTS, batch(counts))

    labeled, unlabeled = (adversaries.judge(made, PARAMS, h).mean() for h in INPUTS)
    wanted = unlabeled - counts[0] / counts[1] * labeled
    found = worlds.on_one_device(run)(PARAMS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_units_rest_alike_on_any_number_of_devices():
    made = adversary()
    key = jax.random.key(3)

    def run(mask):
        return critic_losses.drop(made, key, mask)[0]

    whole = jax.pmap(run, "batch")(jnp.ones((1, 12), bool))
    halves = jax.pmap(run, "batch")(jnp.ones((2, 6), bool))
    np.testing.assert_array_equal(whole.reshape(12, -1), halves.reshape(12, -1))
    assert set(np.unique(whole)) == {0.0, 2.0}
    none = made._replace(dropout=0.0)
    assert critic_losses.drop(none, key, jnp.ones(3, bool)) == ()


def test_with_no_weight_on_the_mixture_columns_it_is_the_plain_critic():
    plain, infused = adversary(infuse=None), adversary(infuse="gmm")
    state = jax.jit(lambda: adversaries.init(infused, jax.random.key(0)))()
    kernel = state.params["params"]["Dense_0"]["kernel"]
    columns = 2 * plain.network.num_classes + 2
    assert kernel.shape == (LATENT + columns, HIDDEN)
    padded = jax.tree.map(jnp.asarray, PARAMS)
    first = padded["params"]["Dense_0"]
    zeros = jnp.zeros((columns, HIDDEN))
    first["kernel"] = jnp.concatenate([first["kernel"], zeros])
    inputs = adversaries.critic_inputs(infused, state, INPUTS[0])
    np.testing.assert_allclose(
        adversaries.judge(infused, padded, inputs),
        adversaries.judge(plain, PARAMS, INPUTS[0]),
        rtol=1e-5,
    )
    assert adversaries.gives(plain) == {"critic"} < adversaries.gives(infused)


def test_the_module_rests_the_units_that_it_is_told():
    critic = Critic((2,), "linear")
    params = critic.init(jax.random.key(0), jnp.ones((1, 3)))
    ones, off = jnp.ones((1, 2)), jnp.zeros((1, 2))
    plain = critic.apply(params, jnp.ones((1, 3)))
    np.testing.assert_array_equal(
        critic.apply(params, jnp.ones((1, 3)), (ones,)), plain
    )
    bias = params["params"]["Dense_1"]["bias"]
    np.testing.assert_array_equal(critic.apply(params, jnp.ones((1, 3)), (off,)), bias)
