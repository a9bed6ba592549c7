"""Batch constructions: selectors that choose by the totals of the scores."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gmmal_jax import numerics
from gmmal_jax.config import SelectConfig
from gmmal_jax.selection.base import Ask, Selector
from gmmal_jax.selection.k_means import Pick, first_of_cluster, kmeans
from gmmal_jax.selection.quota import quotas
from gmmal_jax.selection.ranks import top_k
from gmmal_jax.selection.sizes import sizes
from gmmal_jax.types import Key, PoolView

Array = jax.Array | np.ndarray
_ROWS = 65_536


class _Seating(NamedTuple):
    """How a query's seats are shared among groups of candidates.

    Attributes:
      groups: int [m], the group of each candidate, most wanted candidate first.
      seats: int32 [g], rows to choose of each group.
      sizes: numbers of clusters that k-means compiles for (`sizes`).
    """

    groups: np.ndarray
    seats: np.ndarray
    sizes: tuple[int, ...]


def _select(
    key: Key,
    view: PoolView,
    total: Float[Array, " n"],
    ask: Ask,
    *,
    balanced: bool,
    clustered: bool,
) -> Int[np.ndarray, " budget"]:
    """Choose rows: distinct candidates, exactly the budget, by descending total.

    1. Groups: the pseudo-classes (balanced) or one group of all candidates.
    2. Seats: `quotas`, or the whole budget.
    3. Clustered: each group's best `candidate_factor` times its seats are clustered by
       direction of their latents, one cluster a seat, and each cluster gives one row.
    4. Seats still free go to the best rows of that group, then to the best of all.

    The key decides ties and the k-means start; random numbers of rows are addressed by
    their ids. k-means compiles once for each (budget, d, c, options), whatever the
    masks and counts; complement quotas take a program of several sizes (`sizes`).
    """
    k_ties, k_cluster = jax.random.split(key)
    num_rows = int(np.sum(view.candidates))
    best = top_k(k_ties, total, view.candidates, total.shape[0], ids=view.ids)
    # From here on a row is known by its place in this order, so the smaller of two
    # numbers is the row wanted more, and where rows stand in the pool is forgotten.
    order = np.asarray(best)[:num_rows]
    seating = _by_class(view, order, ask) if balanced else _together(num_rows, ask)
    taken = np.zeros(num_rows, bool)
    if clustered:
        latents = view.columns["latents"]
        taken[_spread(k_cluster, latents, order, seating, ask)] = True
    rows: np.ndarray = order[_filled(taken, seating, ask.budget)]
    return rows


def _construction(*needs: str, balanced: bool, clustered: bool) -> Selector:
    select = functools.partial(_select, balanced=balanced, clustered=clustered)
    return Selector(frozenset(needs), select)


TOP = _construction(balanced=False, clustered=False)
"""The best totals, ties at random."""

CONSTRUCTIONS: dict[str, Selector] = {
    "none": TOP,
    "balance": _construction("logits", balanced=True, clustered=False),
    "kmeans": _construction("latents", balanced=False, clustered=True),
    "balance_kmeans": _construction("logits", "latents", balanced=True, clustered=True),
}
"""Values of --select.diversity.

Source: section 3.5, which names class balance and k-means; the rest is ours (A26), as
are the classifier's pseudo-labels.
"""


def _together(num_rows: int, ask: Ask) -> _Seating:
    """One group that has all seats."""
    seats = np.array([ask.budget], np.int32)
    return _Seating(np.zeros(num_rows, np.int32), seats, (ask.budget,))


def _by_class(view: PoolView, order: Int[np.ndarray, " m"], ask: Ask) -> _Seating:
    """A group a pseudo-class, with seats by the rule of the options."""
    groups = _predicted(view)[order]
    counts = np.bincount(groups, minlength=ask.num_classes)
    bought = np.bincount(view.labels[view.labeled], minlength=ask.num_classes)
    seats = quotas(counts, bought, ask.budget, ask.options.quota)
    share = -(-ask.budget // ask.num_classes)
    equal = ask.options.quota == "uniform"
    return _Seating(groups, seats, (share,) if equal else sizes(share, ask.budget))


def _predicted(view: PoolView) -> Int[np.ndarray, " n"]:
    """The most likely class of each row; logits are looked at some rows at a time."""
    logits = view.columns["logits"]
    parts = range(0, len(view.ids), _ROWS)
    found = [np.argmax(logits[i : i + _ROWS], axis=1) for i in parts]
    whole: np.ndarray = np.concatenate(found)
    return whole


def _spread(
    key: Key,
    latents: Any,
    order: Int[np.ndarray, " m"],
    seating: _Seating,
    ask: Ask,
) -> Int[np.ndarray, " picked"]:
    """Places in the order, one of each cluster of each group."""
    options: SelectConfig = ask.options
    factor = options.candidate_factor
    members, starts = _candidates(seating.groups, factor * seating.seats)
    picked = _cluster(
        key,
        _padded(np.asarray(latents[order[members]]), factor * ask.budget),
        starts,
        seating.seats,
        candidate_factor=factor,
        sizes=seating.sizes,
        pick=options.pick,
    )
    places = np.asarray(picked)
    chosen: np.ndarray = members[places[places >= 0]]
    return chosen


def _candidates(
    groups: Int[np.ndarray, " n"], wanted: Int[np.ndarray, " g"]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " bounds"]]:
    """The first `wanted` places of each group, one group after the other.

    Returns:
      The places, and int32 [g + 1]: where each group starts in them, and their end.
    """
    parts = [np.flatnonzero(groups == g)[:most] for g, most in enumerate(wanted)]
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int32)
    return np.concatenate(parts), starts


def _padded(rows: Float[np.ndarray, "m d"], size: int) -> Float[np.ndarray, "p d"]:
    """Rows followed by zeros, `size` in all, so that their number compiles nothing."""
    return np.pad(rows, ((0, size - len(rows)), (0, 0)))


@functools.partial(jax.jit, static_argnames=("candidate_factor", "sizes", "pick"))
def _cluster(
    key: Key,
    points: Float[Array, "p d"],
    starts: Int[Array, " bounds"],
    seats: Int[Array, " g"],
    *,
    candidate_factor: int,
    sizes: tuple[int, ...],
    pick: Pick,
) -> Int[jax.Array, "g most"]:
    """One point of each cluster of each group; -1 for empty clusters.

    Groups run one after the other: side by side, their tables of candidates times
    clusters would need memory that grows with the number of classes.
    """
    units = numerics.directions(points)

    def branch(size: int) -> Callable[..., jax.Array]:
        offsets = jnp.arange(candidate_factor * size)

        def pick_rows(
            key: Key, start: jax.Array, end: jax.Array, num_clusters: jax.Array
        ) -> jax.Array:
            rows = jnp.minimum(start + offsets, points.shape[0] - 1)
            mask = start + offsets < end
            found = kmeans(key, units[rows], mask, num_clusters, max_clusters=size)
            first = first_of_cluster(found, mask, size, pick)
            picked = jnp.where(first < len(offsets), start + first, -1)
            return jnp.pad(picked, (0, sizes[-1] - size), constant_values=-1)

        return pick_rows

    branches = [branch(size) for size in sizes]

    def one_group(args: tuple[jax.Array, ...]) -> jax.Array:
        group, start, end, num_clusters = args
        smallest = jnp.searchsorted(jnp.array(sizes), num_clusters)
        k_group = jax.random.fold_in(key, group)
        picked: jax.Array = jax.lax.switch(
            smallest, branches, k_group, start, end, num_clusters
        )
        return picked

    groups = jnp.arange(seats.shape[0])
    rows: jax.Array = jax.lax.map(one_group, (groups, starts[:-1], starts[1:], seats))
    return rows


def _filled(
    taken: Bool[np.ndarray, " m"], seating: _Seating, budget: int
) -> Bool[np.ndarray, " m"]:
    """Seat the first free rows of each group, then the first free rows of all."""
    taken = taken.copy()
    for group, wanted in enumerate(seating.seats):
        members = np.flatnonzero(seating.groups == group)
        missing = wanted - np.count_nonzero(taken[members])
        taken[members[~taken[members]][:missing]] = True
    free = np.flatnonzero(~taken)
    taken[free[: budget - np.count_nonzero(taken)]] = True
    return taken
