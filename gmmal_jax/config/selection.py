"""From scores to queries: settings of the selection."""

from dataclasses import dataclass
from typing import Literal

from gmmal_jax.config.checks import require


@dataclass(frozen=True)
class SelectConfig:
    """From scores to a batch of queries (section 3.5; A26)."""

    diversity: Literal["none", "balance", "kmeans", "balance_kmeans"] | None = None
    """Batch construction; None: the method's own (gmm: balance_kmeans)."""
    candidate_factor: int = 3
    """k-means chooses among this many times the rows wanted, by total score."""
    quota: Literal["uniform", "complement"] = "uniform"
    """Equal seats a class, or what makes the labeled set equal."""
    pick: Literal["centroid", "score"] = "centroid"
    """The row of a cluster: nearest to its centroid, or of highest score."""
    subset_size: int | None = None
    """A27: ask only among so many random rows of the pool; None: all."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require(
            self.candidate_factor >= 1,
            "select.candidate-factor",
            self.candidate_factor,
            "use 1 or more",
        )
        if self.subset_size is not None:
            require(
                self.subset_size >= 1,
                "select.subset-size",
                self.subset_size,
                "use 1 or more, or leave it out",
            )
