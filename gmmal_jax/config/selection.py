"""From scores to queries: settings of the selection."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import Checked, Count, Few, Positive, require


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


@dataclass(frozen=True)
class FuseConfig(Checked):
    """How gmm makes one number of its scores (eq. 5)."""

    group: ClassVar[str] = "fuse."

    scores: tuple[Literal["likelihood_ratio", "critic", "entropy"], ...] = (
        "likelihood_ratio",
        "critic",
        "entropy",
    )
    """The scores that are fused; one alone orders the rows itself."""
    weights: tuple[Positive, ...] | None = None
    """One weight a score, in the order of the scores. None: all alike."""
    by: Literal["rank_sum", "rank_product"] = "rank_sum"
    """rank_sum adds the ranks up. rank_product multiplies them, counted from the least
    wanted row, so that a row has to stand high in every score; a weight is then an
    exponent."""

    def __post_init__(self) -> None:
        """Refuse scores that are named twice, and weights that do not fit them."""
        super().__post_init__()
        some = len(self.scores) > 0
        require(some, "fuse.scores", self.scores, "name at least one score")
        distinct = len(set(self.scores)) == len(self.scores)
        require(distinct, "fuse.scores", self.scores, "name each score once")
        fit = self.weights is None or len(self.weights) == len(self.scores)
        remedy = f"use one weight a score: {len(self.scores)}"
        require(fit, "fuse.weights", self.weights, remedy)
