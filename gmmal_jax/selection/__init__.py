"""Choosers: from scores of the whole pool to the rows of one query.

Shapes are fixed by the pool and the budget; masks, quotas and counts are values, so
that nothing compiles again while the labeled set grows.
"""

from gmmal_jax.selection.clusters import Clustering, kmeans, kmeans_start, lloyd
from gmmal_jax.selection.order import Quota, quotas, rank, top_k
from gmmal_jax.selection.query import Diversity, Pick, choose

__all__ = [
    "Clustering",
    "Diversity",
    "Pick",
    "Quota",
    "choose",
    "kmeans",
    "kmeans_start",
    "lloyd",
    "quotas",
    "rank",
    "top_k",
]
