"""Mixture columns for a discriminator that is not the paper's own.

Source: Distribution Aware Active Learning via Gaussian Mixtures, appendix A.6: what
DA's critic sees beside the latents, appended to the input of another method's
discriminator. The appendix speaks of each method's feature extractor, which may be
either network: the task network, whose latents have classes for clusters and which is
frozen, so that the columns are constants; or the VAE, which moves and may fool the
discriminator through the columns.
"""

from collections.abc import Callable

import jax.numpy as jnp

from gmmal_jax.config import MixtureConfig
from gmmal_jax.phases import adversary, generative
from gmmal_jax.phases.generative import Columns, Tell
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.vae_game import Infused, Told
from gmmal_jax.types import Key, PoolView, PyTree


def of_task(tell: Tell, network: Network, gmm: MixtureConfig) -> Tell:
    """With mixture columns of the task network's latents for the discriminator.

    They are standardized over the pool, as those of `of_vae` are.

    Args:
      tell: what it is told already; knows nothing, and sees the column `latents`.
      network: frozen.
      gmm: how mixtures are fitted, once.
    """

    def more(known: PyTree, columns: Columns) -> Told:
        told = tell.tell(None, columns)
        assert told.discriminator is not None
        found = known.columns(columns["latents"])
        both = jnp.concatenate([told.discriminator, found], axis=1)
        return told._replace(discriminator=both)

    return _infused(
        tell, more, "latents", network.latent_size, network.num_classes, gmm
    )


def of_vae(
    tell: Tell, size: int, num_classes: int, gmm: MixtureConfig, refit_every: int
) -> Tell:
    """With mixture columns of the VAE's means.

    Args:
      tell: what the discriminator is told already; knows nothing.
      size: of the VAE's latents.
      num_classes: k.
      gmm: how mixtures are fitted.
      refit_every: steps from one fit to the next.
    """

    def more(known: PyTree, columns: Columns) -> Told:
        return tell.tell(None, columns)._replace(infused=known)

    made = _infused(tell, more, generative.MEANS, size, num_classes, gmm)
    return made._replace(learn_every=refit_every)


def _infused(
    tell: Tell,
    more: Callable[[PyTree, Columns], Told],
    column: str,
    size: int,
    num_classes: int,
    gmm: MixtureConfig,
) -> Tell:
    """What is told by `more`, which knows the mixtures of a column [n, size]."""
    k, (decoder, discriminator) = num_classes, tell.sizes

    def init() -> Infused:
        mixture = adversary.placeholder(k, size)
        center, scale = jnp.zeros(2 * k + 2), jnp.ones(2 * k + 2)
        return Infused(mixture, mixture, center, scale, jnp.zeros(()))

    def learn(key: Key, known: Infused, view: PoolView) -> Infused:
        latents = adversary.on_device(view.columns[column], view.team)
        # Before the first fit there is a placeholder, which EM cannot part.
        previous = known.unlabeled if float(known.live) else None
        labeled, unlabeled, info = adversary.fit_mixtures(
            key, latents, view, k, gmm, previous
        )
        scale = adversary.column_scale(
            latents, labeled, unlabeled, "standardize", view.team
        )
        live = jnp.asarray(info.live, jnp.float32)
        return Infused(labeled, unlabeled, *scale, live)

    sizes = (decoder, discriminator + 2 * k + 2)
    return tell._replace(sizes=sizes, init=init, tell=more, learn=learn)
