"""VAAL's VAE and discriminator: `generative` without anything that they are told."""

from gmmal_jax.config import VaalConfig
from gmmal_jax.phases import generative
from gmmal_jax.phases.extend import Extension
from gmmal_jax.phases.generative import Tell
from gmmal_jax.phases.network import Network


def make(network: Network, vaal: VaalConfig) -> Extension:
    """The extension whose column is `looks_unlabeled`.

    Source: Variational Adversarial Active Learning (Sinha et al., 2019).
    """
    return generative.make(network, vaal, "vaal", "looks_unlabeled", Tell())
