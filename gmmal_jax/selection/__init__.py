"""Selectors: from scores of the whole pool to the rows of one query.

Shapes are fixed by the pool and the budget; masks, quotas and counts are values, so
that nothing compiles again while the labeled set grows.
"""

from gmmal_jax.selection.base import Ask, Selector
from gmmal_jax.selection.constructions import CONSTRUCTIONS, TOP, Pick
from gmmal_jax.selection.k_center import k_center_greedy
from gmmal_jax.selection.k_means import Clustering, kmeans, kmeans_start, lloyd
from gmmal_jax.selection.quota import Quota, quotas
from gmmal_jax.selection.ranks import rank, top_k

__all__ = [
    "CONSTRUCTIONS",
    "TOP",
    "Ask",
    "Clustering",
    "Pick",
    "Quota",
    "Selector",
    "k_center_greedy",
    "kmeans",
    "kmeans_start",
    "lloyd",
    "quotas",
    "rank",
    "top_k",
]
