"""Linear networks in the clothes of a VAE and a discriminator: the references'."""

import jax
import jax.numpy as jnp
import numpy as np
from rounding import sums_of

from gmmal_jax.config import SelectConfig
from gmmal_jax.models import vae
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases.vae_game import Game, GameState, Seen, Told
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base
from gmmal_jax.testing import strategies
from gmmal_jax.types import ModelState

LATENTS, PIXELS = 2, 6
HEADS = 2 * LATENTS * PIXELS
NOTHING = Told()


def linear_game(settings):
    """The reference's networks: linear, of images [1, 1, pixels]."""

    def encode(state, images, mask, mode):
        heads = state.params[:HEADS].reshape(2, PIXELS, LATENTS)
        x = images.reshape(-1, PIXELS)
        return (x @ heads[0], x @ heads[1]), state.batch_stats

    def decode(state, z, mask, mode):
        images = z @ state.params[HEADS:].reshape(-1, PIXELS)
        return images.reshape(-1, 1, 1, PIXELS), state.batch_stats

    autoencoder = vae.Autoencoder(lambda key: None, encode, decode, LATENTS)
    return Game(settings, autoencoder, Critic((), "linear"))


def dense(flat):
    """The reference's discriminator as the module's parameters."""
    flat = jnp.asarray(flat, jnp.float32)
    return {"params": {"Dense_0": {"kernel": flat[:-1, None], "bias": flat[-1:]}}}


def halves(values):
    """[2, b, f] -> [2 b, f], padded by a row in each half that must not count."""
    padded = np.pad(values, ((0, 0), (0, 1), (0, 0)), constant_values=9.0)
    return jnp.asarray(padded.reshape(-1, values.shape[2]), jnp.float32)


def seen_of(reference, told=NOTHING):
    rows = reference["images"].shape[1]
    mask = jnp.arange(rows + 1) < rows
    images = halves(reference["images"]).reshape(-1, 1, 1, PIXELS)
    return Seen(images, (mask, mask), told)


def compare(found, wanted):
    """To float32's rounding of sums over rows, pixels and the discriminator's terms."""
    off = np.abs(np.asarray(found, np.float64) - wanted).max()
    assert off <= sums_of(200) * np.abs(wanted).max(), (off, wanted)


def state_of(reference):
    """All but the VAE's parameters."""
    return GameState(ModelState(None, {}), None, dense(reference["judge"]), None, None)


def asked(strategy, column, budget):
    """Of a pool of so many rows, all unlabeled."""
    rows = len(column)
    pool = strategies.view()._replace(
        ids=np.arange(rows, dtype=np.uint32),
        labeled=np.zeros(rows, bool),
        candidates=np.ones(rows, bool),
        labels=np.full(rows, -1, np.int32),
        columns={name: np.asarray(column, np.float32) for name in strategy.needs},
    )
    ask = Ask(budget, 3, SelectConfig())
    return base.query(jax.random.key(0), strategy, pool, ask).indices
