"""Settings of queries by a VAE and a discriminator of its latents."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import AtLeastZero, Checked, Count, Few, Positive, Size

STREAM_PASSES = 100
"""Passes of the public code's training over labeled rows and `STREAM_ROWS` others."""
STREAM_ROWS = 10_000


@dataclass(frozen=True)
class _AutoencoderConfig(Checked):
    """What VAAL and TA-VAAL share; VAAL's values."""

    steps: Count | None = None
    """The number of iterations of VAE and discriminator after the network's training.
    None: (labeled rows + 10,000) * 100 / 128, as public code that others compare with
    has it."""
    batch_size: Size = 128
    """The number of labeled images in a step, and of unlabeled ones."""
    vae_steps: Few = 2
    """The steps of the VAE in an iteration, each on a new batch; the discriminator
    takes one, on the last."""
    kl: Literal["sum", "mean"] = "sum"
    """The divergence from the prior, over batch and latents: sum lets it outweigh the
    images by orders of magnitude, as VAAL's code does; mean is TA-VAAL's."""
    beta: AtLeastZero = 1.0
    """The weight of that divergence in the VAE's loss."""
    adversarial_weight: AtLeastZero = 1.0
    """The weight of the discriminator's part in the VAE's loss."""
    learning_rate: Positive = 5e-4
    """The learning rate of either's Adam."""
    width: Size = 128
    """The channels of the encoder's first layer; each further one has twice as many."""
    latent_size: Size = 32
    """The number of latents of an image; the public code has 28 for FashionMNIST."""
    hidden: tuple[Size, ...] = (512, 512)
    """The widths of the discriminator's hidden layers."""


@dataclass(frozen=True)
class TaVaalConfig(_AutoencoderConfig):
    """ta_vaal: a ranker of losses, a VAE and a discriminator (Kim et al., 2021)."""

    group: ClassVar[str] = "ta_vaal."

    vae_steps: Few = 1
    """The steps of the VAE in an iteration, each on a new batch; the discriminator
    takes one, on the last."""
    kl: Literal["sum", "mean"] = "mean"
    """The divergence from the prior, over batch and latents: their mean, or the sum as
    in VAAL's code, which outweighs the images by orders of magnitude."""
    rank_norm: Literal["raw", "sigmoid"] = "raw"
    """The ranks that the discriminator sees: as the ranker gives them, which is what
    the authors' code does, or in (0, 1). The VAE sees the latter with either."""
    ranker_in_da: Literal["detached", "frozen", "joint"] = "detached"
    """How the ranker fares in a learner's stage 2 (DA): detached lets it learn of the
    labeled batch without the network feeling it, frozen leaves it as stage 1 made it,
    joint has the ranking loss in the network's objective as in stage 1."""
    mixture_space: Literal["task", "vae"] = "task"
    """With --infuse gmm, the latents that mixtures are fitted to: the task network's,
    in which classes are clusters and which stay as they are, or the means of the VAE in
    training, with a refit every --da.refit-every steps."""


@dataclass(frozen=True)
class VaalConfig(_AutoencoderConfig):
    """vaal: a VAE and a discriminator of its latents (Sinha et al., 2019)."""

    group: ClassVar[str] = "vaal."
