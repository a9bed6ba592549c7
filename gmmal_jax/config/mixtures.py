"""Settings of the two Gaussian mixtures."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import AtLeastZero, Checked, Count, Pair, Positive


@dataclass(frozen=True)
class MixtureConfig(Checked):
    """The two Gaussian mixtures (section 3.2)."""

    group: ClassVar[str] = "gmm."

    covariance: Literal["diag", "spherical"] = "diag"
    """A3."""
    init: Literal["labeled", "kmeans++", "previous"] = "labeled"
    """A5, A6: where EM starts: the labeled mixture, k-means++, or the last fit."""
    mode: Literal["sharded", "exact"] = "sharded"
    """A7: EM on shards, realigned and averaged (the paper), or on the whole pool."""
    shard_size: Pair | None = None
    """Rows a shard; None: max(1000, 50 x classes)."""
    average: Literal["count", "equal"] = "count"
    """Weight of a shard's component in the average: its points, or one a shard."""
    labeled_mode: Literal["exact", "sharded"] = "exact"
    """Class statistics of the labeled set at once, or averaged over shards (3.2)."""
    labeled_weights: Literal["frequency", "uniform"] = "frequency"
    """A29."""
    em_iters: Count = 10
    variance_floor: Positive = 1e-4
    """A4: share of the data's variance in each dimension."""
    shrinkage: AtLeastZero = 10.0
    """A4: pseudo-count that pulls class variances to the pooled one; 0: paper."""
