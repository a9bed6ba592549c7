"""Learners that label unlabeled images for themselves: their settings."""

from dataclasses import dataclass
from typing import ClassVar

from gmmal_jax.config.checks import AtLeastZero, BelowOne, Checked, Few, Share


@dataclass(frozen=True)
class FixMatchConfig(Checked):
    """FixMatch: labels of weakly changed images, learned on strongly changed ones."""

    group: ClassVar[str] = "fixmatch."

    ratio: Few = 7
    """The number of unlabeled images in a step for each labeled one; every one of them
    passes the network twice."""
    threshold: Share = 0.95
    """An unlabeled image counts if its most probable class has this probability or
    more."""
    weight: AtLeastZero = 1.0
    """The weight of the unlabeled images' loss beside the labeled ones'."""
    average: BelowOne = 0.999
    """The share that the average of the parameters keeps in a step; the average is the
    network that predicts and is asked with. With 0 it is the trained network."""


@dataclass(frozen=True)
class PseudoLabelConfig(Checked):
    """Pseudo-labels: the network learns its own confident labels (Lee, 2013)."""

    group: ClassVar[str] = "pseudo_label."

    ratio: Few = 1
    """The number of unlabeled images in a step for each labeled one."""
    threshold: BelowOne = 0.95
    """An unlabeled image counts if its most probable class has this probability or
    more; with 0 every one does, as in Lee's paper."""
    weight: AtLeastZero = 1.0
    """The weight of the unlabeled images' loss, once it has risen."""
    ramp: Share = 0.4
    """The share of the steps in which the weight rises from 0, in a line."""
