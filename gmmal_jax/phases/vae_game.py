"""The two networks of VAAL and a step of either: a VAE that hides what is labeled.

Source: Variational Adversarial Active Learning (Sinha et al., 2019, arXiv 1904.00370),
section 3 and algorithm 1. The discriminator sees the mean of an image's latents; where
the paper is silent, both networks are those of its public code.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from gmmal_jax.config import TaVaalConfig, VaalConfig
from gmmal_jax.models import vae
from gmmal_jax.models.critic import Critic
from gmmal_jax.phases import adversary, optimizer, vae_losses
from gmmal_jax.phases.network import own_rows
from gmmal_jax.types import AXIS, Key, Metrics, Mixture, ModelState, PyTree

_TRAINING = vae.Mode(train=True, axis_name=AXIS, groups=2)
"""Labeled and unlabeled images pass BatchNorm apart, as in the authors' code."""


class Infused(NamedTuple):
    """What mixture columns are made of.

    Attributes:
      labeled: mixture of the labeled set's latents.
      unlabeled: mixture of the unlabeled pool's.
      center: [f], of the columns over the pool, f = 2 k + 2.
      scale: [f], their standard deviation.
      live: live components of the unlabeled mixture; 0 before the first fit.
    """

    labeled: Mixture
    unlabeled: Mixture
    center: jax.Array
    scale: jax.Array
    live: jax.Array

    def columns(self, latents: jax.Array) -> jax.Array:
        """[b, f], of latents [b, d]."""
        return adversary.standardized(
            latents, self.labeled, self.unlabeled, self.center, self.scale
        )


class Told(NamedTuple):
    """What the two networks read of rows beside images and latents.

    Attributes:
      decoder: [b, f], or None.
      discriminator: likewise.
      infused: what the discriminator sees the VAE's means by, too; None: it does not.
    """

    decoder: jax.Array | None = None
    discriminator: jax.Array | None = None
    infused: Infused | None = None


class Seen(NamedTuple):
    """A batch as the two networks see it: 2 b rows, labeled ones first.

    Attributes:
      images: [2 b, h, w, ch], normalized.
      masks: [b] of either half.
      told: of the same rows.
    """

    images: jax.Array
    masks: tuple[jax.Array, jax.Array]
    told: Told

    @property
    def mask(self) -> jax.Array:
        """[2 b]."""
        return jnp.concatenate(self.masks)


class GameState(NamedTuple):
    """What is trained.

    Attributes:
      vae: parameters and running averages.
      vae_moments: of its Adam.
      discriminator: parameters; large logits mean labeled.
      moments: of its Adam.
      known: what rows are told of by, constant; see `generative.Tell`.
    """

    vae: ModelState
    vae_moments: PyTree
    discriminator: PyTree
    moments: PyTree
    known: PyTree


class Game(NamedTuple):
    """Static parts: settings and networks."""

    settings: VaalConfig | TaVaalConfig
    vae: vae.Autoencoder
    discriminator: Critic


def init(game: Game, key: Key, told: int, known: PyTree) -> GameState:
    """Fresh networks.

    Args:
      game: whose.
      key: of all weights.
      told: numbers a row that the discriminator reads beside the latents.
      known: part of the state.
    """
    k_vae, k_critic = jax.random.split(key)
    model = game.vae.init(k_vae)
    critic = game.discriminator.init(k_critic, jnp.zeros((1, game.vae.size + told)))
    adam = optax.scale_by_adam()
    return GameState(model, adam.init(model.params), critic, adam.init(critic), known)


def judge(game: Game, params: PyTree, mean: jax.Array, told: Told) -> jax.Array:
    """The discriminator's logits [b]; large: labeled.

    What is infused comes last, and has a gradient to the means.

    Args:
      game: whose.
      params: the discriminator's.
      mean: [b, d], of the latents.
      told: of the same rows.
    """
    seen = _beside(mean, told.discriminator)
    if told.infused is not None:
        seen = _beside(seen, told.infused.columns(mean))
    logits = game.discriminator.apply(params, seen)
    assert isinstance(logits, jax.Array)
    return logits


def vae_loss(
    game: Game, params: PyTree, own: GameState, seen: Seen, noise: jax.Array
) -> tuple[jax.Array, tuple[PyTree, Metrics]]:
    """This device's share of the VAE's loss; running averages, and its terms.

    Args:
      game: whose.
      params: the VAE's.
      own: all else.
      seen: the batch.
      noise: [2 b, d], standard normal.
    """
    settings, masks = game.settings, seen.masks
    (mean, log_variance), stats = game.vae.encode(
        own.vae._replace(params=params), seen.images, seen.mask, _TRAINING
    )
    z = mean + jnp.exp(0.5 * log_variance) * noise
    decoded, stats = game.vae.decode(
        ModelState(params, stats), _beside(z, seen.told.decoder), seen.mask, _TRAINING
    )
    logits = judge(game, own.discriminator, mean, seen.told)
    images = vae_losses.reconstruction(seen.images, decoded, masks)
    prior = vae_losses.divergence(mean, log_variance, masks, settings.kl)
    fooling = vae_losses.fooling(logits, masks)
    loss = images + settings.beta * prior + settings.adversarial_weight * fooling
    terms = {
        "loss": loss,
        "reconstruction": images,
        "divergence": prior,
        "fooling": fooling,
        "discrimination": vae_losses.discrimination(logits, masks),
    }
    return loss, (stats, terms)


def vae_step(
    game: Game, key: Key, own: GameState, seen: Seen
) -> tuple[GameState, Metrics]:
    """One Adam step of the VAE, towards latents that all look labeled."""

    def draw(key: Key, mask: jax.Array) -> jax.Array:
        return own_rows(lambda num: jax.random.normal(key, (num, game.vae.size)), mask)

    noise = jnp.concatenate([
        draw(jax.random.fold_in(key, half), mask)
        for half, mask in enumerate(seen.masks)
    ])  # fmt: skip
    done = optimizer.minimize(
        optax.scale_by_adam(),
        lambda params: vae_loss(game, params, own, seen, noise),
        own.vae.params,
        own.vae_moments,
        jnp.asarray(game.settings.learning_rate),
    )
    model = ModelState(done.params, done.aux)
    return own._replace(vae=model, vae_moments=done.moments), done.metrics


def discriminator_step(game: Game, own: GameState, seen: Seen) -> GameState:
    """One Adam step of the discriminator, on means by the VAE as it is now.

    That forward pass is one for training, too, and moves the running averages.
    """
    (mean, _), stats = game.vae.encode(own.vae, seen.images, seen.mask, _TRAINING)

    def objective(params: PyTree) -> tuple[jax.Array, tuple[None, Metrics]]:
        logits = judge(game, params, mean, seen.told)
        return vae_losses.discrimination(logits, seen.masks), (None, {})

    done = optimizer.minimize(
        optax.scale_by_adam(),
        objective,
        own.discriminator,
        own.moments,
        jnp.asarray(game.settings.learning_rate),
    )
    return own._replace(
        vae=own.vae._replace(batch_stats=stats),
        discriminator=done.params,
        moments=done.moments,
    )


def _beside(latents: jax.Array, told: jax.Array | None) -> jax.Array:
    """[b, d + f]."""
    return latents if told is None else jnp.concatenate([latents, told], axis=1)
