"""Mixture columns for a discriminator that is not the paper's own.

Source: Distribution Aware Active Learning via Gaussian Mixtures, appendix A.6: what
DA's critic sees beside the latents, appended to the input of another method's
discriminator. The latents are the task network's, in which classes are clusters; it is
frozen, so the columns are constants.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.config import MixtureConfig
from gmmal_jax.phases import adversary
from gmmal_jax.phases.generative import Columns, Tell
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.vae_game import Told
from gmmal_jax.types import Key, Mixture, PoolView, PyTree


class Infused(NamedTuple):
    """What columns are made of.

    Attributes:
      labeled: mixture of the labeled set's latents.
      unlabeled: mixture of the unlabeled pool's.
      center: [f], of the columns over the pool, f = 2 k + 2.
      scale: [f], their standard deviation.
    """

    labeled: Mixture
    unlabeled: Mixture
    center: jax.Array
    scale: jax.Array


def infused(tell: Tell, network: Network, gmm: MixtureConfig) -> Tell:
    """With mixture columns for the discriminator, standardized over the pool.

    Args:
      tell: what it is told already; knows nothing, and sees the column `latents`.
      network: frozen.
      gmm: how mixtures are fitted, once.
    """
    k = network.num_classes

    def init() -> Infused:
        mixture = adversary.placeholder(network)
        return Infused(mixture, mixture, jnp.zeros(2 * k + 2), jnp.ones(2 * k + 2))

    def more(known: PyTree, columns: Columns) -> Told:
        told = tell.tell(None, columns)
        assert told.discriminator is not None
        found = adversary.standardized(columns["latents"], *known)
        both = jnp.concatenate([told.discriminator, found], axis=1)
        return told._replace(discriminator=both)

    def learn(key: Key, known: PyTree, view: PoolView) -> Infused:
        latents = jnp.asarray(view.columns["latents"])
        labeled, unlabeled, _ = adversary.fit_mixtures(key, latents, view, k, gmm)
        scale = adversary.column_scale(latents, labeled, unlabeled, "standardize")
        return Infused(labeled, unlabeled, *scale)

    decoder, discriminator = tell.sizes
    return tell._replace(
        sizes=(decoder, discriminator + 2 * k + 2), init=init, tell=more, learn=learn
    )
