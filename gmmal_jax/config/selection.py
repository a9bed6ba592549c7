"""From scores to queries: settings of the selection."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import Checked, Count, Few


@dataclass(frozen=True)
class SelectConfig(Checked):
    """From scores to a batch of queries (section 3.5; A26)."""

    group: ClassVar[str] = "select."

    diversity: Literal["none", "balance", "kmeans", "balance_kmeans"] | None = None
    """Batch construction; None: the method's own (gmm: balance_kmeans)."""
    candidate_factor: Few = 3
    """k-means chooses among this many times the rows wanted, by total score."""
    quota: Literal["uniform", "complement"] = "uniform"
    """Equal seats a class, or what makes the labeled set equal."""
    pick: Literal["centroid", "score"] = "centroid"
    """The row of a cluster: nearest to its centroid, or of highest score."""
    subset_size: Count | None = None
    """A27: ask only among so many random rows of the pool; None: all."""
