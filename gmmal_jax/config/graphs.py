"""Graph networks on the pool: settings of CoreGCN and UncertainGCN."""

from dataclasses import dataclass
from typing import ClassVar

from gmmal_jax.config.checks import (
    AtLeastZero,
    BelowOne,
    Checked,
    Count,
    Factor,
    Positive,
    Size,
)


@dataclass(frozen=True)
class CoreGCNConfig(Checked):
    """The graph network of core_gcn and uncertain_gcn (Caramalau et al., 2021)."""

    group: ClassVar[str] = "core_gcn."

    hidden: Size = 128
    """The width of the graph network's hidden layer, in which core_gcn measures
    distances."""
    dropout: BelowOne = 0.3
    """The share of hidden units that are left out in each of its training steps."""
    unlabeled_weight: AtLeastZero = 1.2
    """The weight of the unlabeled rows' loss beside that of the labeled ones."""
    steps: Count = 200
    """The number of training steps; each reads the whole graph."""
    learning_rate: Positive = 1e-3
    """The learning rate of Adam."""
    weight_decay: AtLeastZero = 5e-4
    """The weight decay, added to the gradient."""
    margin: Factor = 0.1
    """The probability of being labeled that uncertain_gcn asks for: rows that are
    nearest to it come first."""
