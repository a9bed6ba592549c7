"""VAAL: its losses and gradients by NumPy, what a step moves, what it asks for."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from linear import asked, compare, dense, halves, linear_game, seen_of, state_of
from tiny import config, made

from gmmal_jax import assembly
from gmmal_jax.config import VaalConfig
from gmmal_jax.learners import ce, vaal
from gmmal_jax.models import vae
from gmmal_jax.phases import (
    diagnosis,
    generative,
    vaal as vaal_game,
    vae_game,
    vae_losses,
)
from gmmal_jax.phases.extend import Extended
from gmmal_jax.phases.vae_game import Told
from gmmal_jax.strategies import looks_unlabeled
from gmmal_jax.testing import worlds
from gmmal_jax.types import Batch, Clock, ModelState, StepBatch

REFERENCE = np.load(Path(__file__).parent.parent / "reference/vaal.npz")


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_vaes_loss_and_gradient_are_the_references(reduction):
    settings = VaalConfig(kl=reduction, beta=0.7, adversarial_weight=1.3)
    game, seen = linear_game(settings), seen_of(REFERENCE)
    own = state_of(REFERENCE)
    noise = halves(REFERENCE["noise"])

    def loss(params, own, seen, noise):
        return vae_game.vae_loss(game, params, own, seen, noise)

    found, slopes = worlds.on_one_device(
        lambda *args: jax.value_and_grad(lambda *a: loss(*a)[0])(*args)
    )(jnp.asarray(REFERENCE["vae"], jnp.float32), own, seen, noise)
    compare(found, REFERENCE[f"loss_{reduction}"])
    compare(slopes, REFERENCE[f"slopes_{reduction}"])


def test_the_discriminators_loss_and_gradient_are_the_references():
    game, seen = linear_game(VaalConfig()), seen_of(REFERENCE)
    params = jnp.asarray(REFERENCE["vae"], jnp.float32)

    def loss(flat, params, seen):
        state = ModelState(params, {})
        (mean, _), _ = game.vae.encode(state, seen.images, seen.mask, None)
        logits = vae_game.judge(game, dense(flat), mean, seen.told)
        return vae_losses.discrimination(logits, seen.masks)

    found, slopes = worlds.on_one_device(jax.value_and_grad(loss))(
        jnp.asarray(REFERENCE["judge"], jnp.float32), params, seen
    )
    compare(found, REFERENCE["judge_loss"])
    compare(slopes, REFERENCE["judge_slopes"])


def test_the_query_is_the_references():
    """The smallest probabilities of being labeled."""
    game, images = linear_game(VaalConfig()), jnp.asarray(REFERENCE["pool"], "float32")
    state = ModelState(jnp.asarray(REFERENCE["vae"], jnp.float32), {})
    (mean, _), _ = game.vae.encode(state, images, None, vae.EVALUATION)
    logits = vae_game.judge(game, dense(REFERENCE["judge"]), mean, Told())
    chosen = asked(looks_unlabeled.vaal(), -logits, 7)
    assert chosen.tolist() == REFERENCE["chosen"].tolist()


@worlds.on_one_device
def divergences(mean, log_variance, mask):
    masks = (mask, mask)
    return {
        how: vae_losses.divergence(mean, log_variance, masks, how)
        for how in ("sum", "mean")
    }


def test_the_divergence_by_hand():
    """Mean 1 and variance 1 of 32 latents: 16 an image, 0.5 a latent."""
    mask = jnp.array([True, True, False])  # the third one is padding
    zeros, ones = jnp.zeros((6, 32)), jnp.ones((6, 32))
    assert all(value == 0 for value in divergences(zeros, zeros, mask).values())
    assert divergences(ones, zeros, mask) == {"sum": 4 * 16, "mean": 2 * 0.5}
    half = float(divergences(zeros, ones, mask)["mean"])
    assert half == pytest.approx(2 * 0.5 * (np.e - 2), rel=1e-6)


def test_iterations_are_the_public_codes_at_full_size():
    """With two steps of the VAE each, of one of the discriminator."""
    count = generative.num_steps(VaalConfig())
    assert [count(n, 0) // 2 for n in (1000, 9000)] == [8593, 14843]
    assert generative.num_steps(VaalConfig(steps=7, vae_steps=3))(1000, 0) == 21


SETTINGS = config(**{"train.learning_rate": 0.05, "vaal.steps": 4})


def test_the_network_stays_and_the_discriminator_moves_every_second_step():
    task, pool = worlds.world(made(vaal.make, SETTINGS), chunk=1)
    stands = [s for s in worlds.cycle(task, pool)[1] if s.position.phase or s.chunk]
    ended = next(s for s in stands if s.position == (1, 0))
    game = [ended, *[s for s in stands if s.chunk.name == "vaal"]]
    assert len(game) == 1 + 8

    def moved(get):
        pairs = zip(game, game[1:], strict=False)
        return [
            any(
                np.any(one != other)
                for one, other in zip(
                    jax.tree.leaves(get(a.state)), jax.tree.leaves(get(b.state)),
                    strict=True,
                )
            )
            for a, b in pairs
        ]  # fmt: skip

    assert not any(moved(lambda state: state.base))
    assert all(moved(lambda state: state.own.vae.params))
    assert moved(lambda state: state.own.discriminator) == [False, True] * 4


def test_rows_are_scored_by_running_averages():
    """An image's column depends on no other image; batch statistics would."""
    learner = made(vaal.make, SETTINGS)
    images = jnp.asarray(worlds.dataset()[0])

    @jax.jit
    def read(key):
        state = learner.init(key, None)
        every = (images, images[:1])
        return [learner.readout(state, rows)["looks_unlabeled"] for rows in every]

    whole, alone = read(jax.random.key(0))
    np.testing.assert_allclose(alone, whole[:1], rtol=1e-4, atol=1e-6)
    assert np.ptp(whole) > 0


def test_any_learner_is_given_the_same_vae():
    """--learn ce --query vaal is --method vaal."""
    pair = config(learn="ce", query="vaal")
    given = assembly.make(worlds.network(), pair).learner
    own = made(vaal.make, pair)
    assert (
        given.gives == own.gives and "looks_unlabeled" not in made(ce.make, pair).gives
    )
    for ours, theirs in zip(
        *(
            jax.tree.leaves(worlds.cycle(*worlds.world(each))[0].state)
            for each in (given, own)
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_blobs_are_told_apart_unless_the_vae_hides_them():
    """Images bright on the left are labeled, those bright on the right are not."""
    found = {weight: blobs(weight) for weight in (0.0, 1.0)}
    assert found[0.0] > 0.9 > found[1.0], found


def blobs(weight, seed=0):
    """AUC of the column after 300 iterations, unlabeled rows above labeled ones."""
    settings = VaalConfig(
        adversarial_weight=weight, kl="mean", beta=0.1, learning_rate=5e-3,
        vae_steps=1, width=4, latent_size=2, hidden=(16,),
    )  # fmt: skip
    extension, rows = vaal_game.make(worlds.network(), settings), 32
    images = np.random.default_rng(seed).normal(128, 40, (2, rows, 6, 6, 1))
    side = 40 * np.sign(np.arange(6) - 2.5).reshape(1, 1, 6, 1)
    images[0] += side
    images[1] -= side
    labeled, unlabeled = (
        Batch(jnp.asarray(each.clip(0, 255), jnp.uint8), jnp.full(rows, -1),
              jnp.ones(rows, bool)) for each in images
    )  # fmt: skip
    phase = extension.phases[0]

    def step(own, key):
        clock = Clock(*jnp.ones((3,), jnp.int32))
        batch = StepBatch(clock, labeled=labeled, unlabeled=unlabeled)
        return phase.step(key, Extended(None, own), batch)[0].own, None

    @worlds.on_one_device
    def train(key):
        own = extension.init(key, None, None)
        own, _ = jax.lax.scan(step, own, jax.random.split(key, 300))
        seen = jnp.concatenate([labeled.images, unlabeled.images])
        return extension.readout(own, {}, seen)["looks_unlabeled"]

    values = np.asarray(train(jax.random.key(seed)))
    return diagnosis.auc(values[rows:], values[:rows])
