"""Selectors: from scores of the whole pool to the rows of one query.

Shapes are fixed by the pool and the budget; masks, quotas and counts are values, so
that nothing compiles again while the labeled set grows.
"""

from gmmal_jax.selection.balance import balanced_rows, lacking
from gmmal_jax.selection.balanced_k_center import balanced_k_center
from gmmal_jax.selection.base import Ask, Selector
from gmmal_jax.selection.blocks import by_blocks
from gmmal_jax.selection.constructions import CONSTRUCTIONS, TOP
from gmmal_jax.selection.cover import greedy_cover
from gmmal_jax.selection.far_draws import far_draws
from gmmal_jax.selection.k_center import k_center_greedy, k_center_of
from gmmal_jax.selection.k_means import (
    Clustering,
    Pick,
    clusters_of,
    far_start,
    first_of_cluster,
    kmeans,
    kmeans_start,
    lloyd,
)
from gmmal_jax.selection.quota import Quota, quotas
from gmmal_jax.selection.ranks import Fusion, fuse, random_order, rank, top_k
from gmmal_jax.selection.representatives import representatives, representatives_of
from gmmal_jax.selection.typicality import typicality

__all__ = [
    "CONSTRUCTIONS",
    "TOP",
    "Ask",
    "Clustering",
    "Fusion",
    "Pick",
    "Quota",
    "Selector",
    "balanced_k_center",
    "balanced_rows",
    "by_blocks",
    "clusters_of",
    "far_draws",
    "far_start",
    "first_of_cluster",
    "fuse",
    "greedy_cover",
    "k_center_greedy",
    "k_center_of",
    "kmeans",
    "kmeans_start",
    "lacking",
    "lloyd",
    "quotas",
    "random_order",
    "rank",
    "representatives",
    "representatives_of",
    "top_k",
    "typicality",
]
