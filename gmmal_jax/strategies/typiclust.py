"""TypiClust: typical rows of clusters that have fewest labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics, selection, shares
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView, Team

_MOST_CLUSTERS = 500
_SMALLEST_CLUSTER = 5
"""Clusters of so many rows or fewer are passed over, unless all are so small."""
_BLOCK_ROWS = 65_536


def make() -> Strategy:
    """One row after the other: the most typical one of the next cluster in turn.

    All rows, labeled ones too, are clustered by direction, into as many clusters as
    there are labels after this query (at most 500). Clusters with fewest labels come
    first, of these the largest. Clusters are those of the network's own latents: with
    self-supervised features, which its authors use, it is a stronger method.

    Returns:
      The strategy.

    Source: Hacohen, Dekel and Weinshall, 2022 (arXiv:2202.02794), and its code.
    """
    select = Selector(frozenset({"latents"}), _select)
    return Strategy("typiclust", frozenset(), select=select)


def _select(key: Key, view: PoolView, total: np.ndarray, ask: Ask) -> np.ndarray:
    del total
    latents = view.columns["latents"]
    most = min(_MOST_CLUSTERS, len(latents))
    wanted = min(int(view.labeled.sum()) + ask.budget, most)
    rows = view.labeled | view.candidates
    sharing = shares.worth(view.team, latents)
    if sharing is None:
        found = _clusters(key, latents, rows, view.ids, wanted, most=most)
    else:
        found = _clusters_of(sharing, key, latents, rows, view.ids, wanted, most)
    order, points, clusters = map(np.asarray, found)
    # In the random order, so that where a row stands in the pool settles nothing.
    labeled, candidates = view.labeled[order], view.candidates[order]
    turns = _turns(clusters, labeled, most)
    places = _in_turn(points, clusters, candidates, turns, ask.budget, most)
    chosen: np.ndarray = order[places]
    return chosen


@functools.partial(jax.jit, static_argnames="most")
def _clusters(
    key: Key,
    latents: jax.Array,
    rows: jax.Array,
    ids: jax.Array,
    wanted: jax.Array,
    *,
    most: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A random order [n]; in it, directions [n, d] and clusters [n], -1: of none."""
    k_order, k_start = jax.random.split(key)
    finite = jnp.isfinite(latents).all(axis=1)
    order = selection.random_order(k_order, rows, finite, ids)
    mask = (rows & finite)[order]

    def directions(places: jax.Array, inside: jax.Array) -> jax.Array:
        return _directions(latents[places], inside)

    points = selection.by_blocks(directions, (order, mask), 2 * latents.shape[1])
    start = selection.far_start(k_start, points, mask, num_clusters=most)
    found = selection.lloyd(points, mask, start, wanted)
    return order, points, found.assignments


def _clusters_of(
    team: Team,
    key: Key,
    latents: np.ndarray,
    rows: np.ndarray,
    ids: np.ndarray,
    wanted: int,
    most: int,
) -> tuple[np.ndarray, ...]:
    """`_clusters`, each device of a team with a share of the rows."""
    k_order, k_start = jax.random.split(key)
    finite = np.isfinite(latents).all(axis=1)
    order = np.asarray(_random_order(k_order, rows, finite, ids))
    mask, points = (rows & finite)[order], np.empty(latents.shape, np.float32)
    for first in range(0, len(order), _BLOCK_ROWS):
        part = slice(first, first + _BLOCK_ROWS)
        points[part] = _some_directions(latents[order[part]], mask[part])
    clusters = selection.clusters_of(
        team, k_start, points, mask, wanted, max_clusters=most
    )
    return order, points, clusters


def _directions(latents: jax.Array, inside: jax.Array) -> jax.Array:
    return numerics.directions(jnp.where(inside[:, None], latents, 0.0))


_random_order = jax.jit(selection.random_order)
_some_directions = jax.jit(_directions)


def _turns(clusters: np.ndarray, labeled: np.ndarray, most: int) -> np.ndarray:
    """Clusters that are large enough, those with fewest labels first, then by size."""
    inside = clusters >= 0
    sizes = np.bincount(clusters[inside], minlength=most)
    held = np.bincount(clusters[labeled & inside], minlength=most)
    kept = sizes > _SMALLEST_CLUSTER
    kept = kept if kept.any() else sizes > 0
    turns = np.lexsort((-sizes, held))
    chosen: np.ndarray = turns[kept[turns]]
    return chosen


def _in_turn(
    points: np.ndarray,
    clusters: np.ndarray,
    candidates: np.ndarray,
    turns: np.ndarray,
    budget: int,
    most: int,
) -> list[int]:
    """A row of each cluster in turn, until the budget is spent; then any."""
    left = np.where(candidates, clusters, -1).astype(np.int32)
    chosen: list[int] = []
    while len(chosen) < budget and np.isin(left, turns).any():
        typical = np.asarray(selection.typicality(points, left, num_clusters=most))
        order = np.lexsort((-typical, left))  # the most typical of each comes first
        firsts = np.searchsorted(left[order], turns)
        firsts = np.minimum(firsts, order.size - 1)
        places = order[firsts][left[order[firsts]] == turns]
        chosen += places.tolist()
        left[places] = -1
    rest = candidates.copy()
    rest[chosen] = False
    return [*chosen, *np.flatnonzero(rest).tolist()][:budget]
