"""Methods with a critic of their own: their settings."""

from dataclasses import dataclass
from typing import ClassVar

from gmmal_jax.config.checks import AtLeastZero, BelowOne, Checked, Epochs, Size


@dataclass(frozen=True)
class WaalConfig(Checked):
    """WAAL: a critic of labeled and unlabeled latents, for waal and waal_code."""

    group: ClassVar[str] = "waal."

    alpha: AtLeastZero = 2e-3
    """The weight of the critic's distance in the network's loss."""
    hidden: Size = 50
    """The width of the critic's hidden layer."""
    dropout: BelowOne = 0.5
    """The share of its units that rest in a step of training."""
    penalty_weight: AtLeastZero = 2.0
    """The weight of the gradient penalty in the critic's loss. waal_code has its code's
    2 whatever stands here, with the wrong sign."""
    selection_weight: AtLeastZero = 10.0
    """The weight of the critic in the query. Uncertainty grows with the number of
    classes: with 100 of them it is in the hundreds."""


@dataclass(frozen=True)
class WaalCodeConfig(Checked):
    """WAAL as its authors' code trains it, in one stage."""

    group: ClassVar[str] = "waal_code."

    epochs: Epochs = 80
    """The number of passes over the larger of the labeled set and the rest, in which
    the smaller one is repeated."""
    batch_size: Size = 64
    """The number of labeled images in a step, and of unlabeled ones."""
    momentum: BelowOne = 0.3
    """The momentum of both players' SGD: 0.3 for CIFAR-10, 0.5 for SVHN and
    FashionMNIST."""
