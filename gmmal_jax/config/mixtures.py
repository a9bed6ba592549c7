"""Settings of the two Gaussian mixtures."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import AtLeastZero, Checked, Count, Pair, Positive


@dataclass(frozen=True)
class MixtureConfig(Checked):
    """The two Gaussian mixtures (section 3.2)."""

    group: ClassVar[str] = "gmm."

    covariance: Literal["diag", "spherical"] = "diag"
    """The covariances of components: a variance for each dimension, or one for all
    (A3)."""
    init: Literal["labeled", "kmeans++", "previous"] = "labeled"
    """EM starts from the labeled mixture, from k-means++, or from the last fit (A5,
    A6)."""
    mode: Literal["sharded", "exact"] = "sharded"
    """EM runs on shards of the pool, whose components are matched and averaged (the
    paper), or on the whole pool at once (A7)."""
    shard_size: Pair | None = None
    """The number of rows of a shard. None: 50 for each class, but at least 1000."""
    average: Literal["count", "equal"] = "count"
    """The weight of a shard's component in the average: the number of its points, or
    the same for every shard."""
    labeled_mode: Literal["exact", "sharded"] = "exact"
    """The statistics of the labeled set's classes are taken at once, or averaged over
    shards as in section 3.2."""
    labeled_weights: Literal["frequency", "uniform"] = "frequency"
    """The mixing weights of the labeled mixture: how frequent each class is, or all
    equal (A29)."""
    em_iters: Count = 10
    """The number of iterations of EM in a fit (A8)."""
    variance_floor: Positive = 1e-4
    """The smallest variance of a component, as a share of the data's variance in that
    dimension (A4)."""
    shrinkage: AtLeastZero = 10.0
    """A class's variances are pulled to those of all classes, with the weight of so
    many points; 0, as in the paper, does not (A4)."""
    refit_rows: Count | None = None
    """Refits before the last one read so many random unlabeled rows of the pool, and
    the last one all. None: every refit reads all."""
