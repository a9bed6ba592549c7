"""From scores to queries: settings of the selection."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import Checked, Count, Few


@dataclass(frozen=True)
class SelectConfig(Checked):
    """From scores to a batch of queries (section 3.5; A26)."""

    group: ClassVar[str] = "select."

    diversity: Literal["none", "balance", "kmeans", "balance_kmeans"] | None = None
    """How a batch is made of scored rows: none takes the best, balance gives each
    predicted class its seats, kmeans spreads them over clusters. None: the strategy's
    own way (gmm: balance_kmeans)."""
    candidate_factor: Few = 3
    """k-means chooses among so many times the rows wanted, those of the best total."""
    quota: Literal["uniform", "complement"] = "uniform"
    """The seats of a class: uniform gives each as many, complement gives each what it
    lacks in the labeled set."""
    pick: Literal["centroid", "score"] = "centroid"
    """The row that is taken of a cluster: the nearest to its centroid, or the one of
    the highest score."""
    subset_size: Count | None = None
    """Only so many random rows of the pool may be asked in a cycle. None: all (A27)."""
