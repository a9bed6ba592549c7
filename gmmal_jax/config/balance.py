"""Queries that balance the classes of the labeled set: settings of CBAL."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import AtLeastZero, Checked


@dataclass(frozen=True)
class CBALConfig(Checked):
    """Class-balanced active learning (Bengar et al., 2022)."""

    group: ClassVar[str] = "cbal."

    base: Literal["entropy", "kcenter"] = "entropy"
    """What is traded for balance: the entropy of the rows, or their distance from
    labeled and chosen ones, as greedy k-center has it."""
    weight: AtLeastZero | None = None
    """The weight of the predicted imbalance. None: the authors' 0.6 for up to 10
    classes and 2 for 100 (kcenter: 5 and 50), and for other numbers of classes the
    power law through the two."""
