"""Learners that compare several networks or heads: their settings."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import (
    AtLeastZero,
    BelowOne,
    Checked,
    Count,
    Several,
)


@dataclass(frozen=True)
class AdsConfig(Checked):
    """Agreement-Discrepancy-Selection (Fu et al., 2021)."""

    group: ClassVar[str] = "ads."

    head: Literal["prototype", "linear"] = "prototype"
    """Both heads compare features with three prototypes of each class by their cosine
    (the authors' program), or are linear."""
    unlabeled_steps: Count = 100
    """The number of steps of agreement in an epoch, and of discrepancy: with batches of
    100, one pass over the authors' 10,000 candidates. --train.epochs counts such
    epochs, --train.steps the steps of all kinds."""
    weights: Literal["paper", "code"] = "paper"
    """paper averages the weighted distances of a batch; code divides that by the batch
    once more, as the authors' program does."""


@dataclass(frozen=True)
class SnapshotConfig(Checked):
    """Snapshots of a network in training as a committee (Jung et al., 2023)."""

    group: ClassVar[str] = "snapshot."

    members: Several = 5
    """The number of networks in the committee; the last one is the trained network."""
    start: BelowOne = 0.5
    """The members are taken in even distances over the steps after this share of them:
    five from 0.5 on are those of 60, 70, 80, 90 and 100 %."""
    average: bool = False
    """The network becomes the mean of its states at the ends of epochs after that
    share, with a further pass over the labeled set for BatchNorm (stochastic weight
    averaging). The members stay what they are."""
    score: Literal["variation_ratio", "entropy", "bald", "margin"] = "variation_ratio"
    """The committee's doubt: the share of its votes against the most frequent class
    (ties by entropy), the entropy of its mean, the information that a label would give
    about the member (bald), or the smallest margin of its mean."""


@dataclass(frozen=True)
class TodConfig(Checked):
    """Temporal output discrepancy (Huang et al., 2021)."""

    group: ClassVar[str] = "tod."

    weight: AtLeastZero = 0.02
    """The weight of the distance to the moving average's logits in the loss."""
    loss: Literal["code", "paper"] = "code"
    """code leads from the classifier to the moving average through a second head, as
    the authors' program has it; paper leads straight there."""
    first_cycle: Literal["random", "smallest", "largest"] = "random"
    """What is asked in the first cycle, which has no earlier network: random rows, or
    those of the smallest (the authors' program) or largest discrepancy to a network
    that was not trained."""
