"""Learners that compare several networks or heads: their settings."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import BelowOne, Checked, Several


@dataclass(frozen=True)
class SnapshotConfig(Checked):
    """Snapshots of a network in training as a committee (Jung et al., 2023)."""

    group: ClassVar[str] = "snapshot."

    members: Several = 5
    """The number of networks in the committee; the last one is the trained network."""
    start: BelowOne = 0.5
    """The members are taken in even distances over the steps after this share of them:
    five from 0.5 on are those of 60, 70, 80, 90 and 100 %."""
    score: Literal["variation_ratio", "entropy", "bald", "margin"] = "variation_ratio"
    """The committee's doubt: the share of its votes against the most frequent class
    (ties by entropy), the entropy of its mean, the information that a label would give
    about the member (bald), or the smallest margin of its mean."""
