"""From totals of the whole pool to the rows of one query."""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.selection.clusters import Clustering, kmeans
from gmmal_jax.selection.order import Quota, quotas, top_k
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray
Diversity = Literal["none", "balance", "kmeans", "balance_kmeans"]
Pick = Literal["centroid", "score"]

_SIZE_STEP = 4
"""From one compiled number of clusters to the next (`_sizes`)."""


def choose(
    key: Key,
    total: Float[Array, " n"],
    mask: Bool[Array, " n"],
    *,
    ids: UInt32[Array, " n"],
    latents: Float[Array, "n d"] | None,
    pseudo_labels: Int[Array, " n"] | None,
    labeled_counts: Int[Array, " c"] | None,
    num_classes: int,
    budget: int,
    diversity: Diversity,
    candidate_factor: int,
    quota: Quota,
    pick: Pick,
) -> Int[np.ndarray, " budget"]:
    """Choose the rows of a query: distinct, masked in, exactly `budget` of them.

    1. Groups: the pseudo-classes (balance) or one group of all rows.
    2. Seats: `quotas`, or the whole budget.
    3. kmeans: each group's best `candidate_factor` times its seats are clustered by
       direction of their latents, one cluster a seat, and each cluster gives one row.
    4. Seats still free go to the best rows of that group, then to the best of all.

    Args:
      key: decides ties and the k-means start.
      total: [n], higher = ask first; rows that are not finite come last.
      mask: [n], rows that may be chosen, at least `budget`.
      ids: [n], distinct; the addresses of the rows' random numbers.
      latents: [n, d], read by the k-means constructions only.
      pseudo_labels: [n], in [0, num_classes); read by the balanced ones only, as is
      labeled_counts: [c], labels bought so far.
      num_classes: c.
      budget: rows to choose.
      diversity: which of the steps above are taken; none: the best totals.
      candidate_factor: >= 1.
      quota: how the balanced constructions share the seats.
      pick: the row of a cluster: nearest to its centroid, or of highest total.

    Returns:
      int32 [budget], rows by descending total. k-means compiles once for each
      (budget, d, c, options), whatever the masks and counts; complement quotas take a
      program of several sizes (`_sizes`).

    Raises:
      ValueError: too few rows, or an input that the construction reads is None.

    Source: section 3.5, which names class balance and k-means; the rest is ours (A26).
    """
    num_rows = int(np.sum(mask))
    if num_rows < budget:
        raise ValueError(f"{budget} rows wanted, {num_rows} may be chosen")
    k_ties, k_cluster = jax.random.split(key)
    best = top_k(k_ties, total, mask, total.shape[0], ids=ids)
    # From here on a row is known by its place in this order, so the smaller of two
    # numbers is the row wanted more, and where rows stand in the pool is forgotten.
    order = np.asarray(best)[:num_rows]
    if diversity in ("balance", "balance_kmeans"):
        if pseudo_labels is None or labeled_counts is None:
            raise ValueError(f"{diversity} needs pseudo-labels and labeled counts")
        groups = np.asarray(pseudo_labels)[order]
        counts = np.bincount(groups, minlength=num_classes)
        seats = quotas(counts, np.asarray(labeled_counts), budget, quota)
        share = -(-budget // num_classes)
        sizes = (share,) if quota == "uniform" else _sizes(share, budget)
    else:
        groups = np.zeros(num_rows, np.int32)
        seats = np.array([budget], np.int32)
        sizes = (budget,)
    taken = np.zeros(num_rows, bool)
    if diversity in ("kmeans", "balance_kmeans"):
        if latents is None:
            raise ValueError(f"{diversity} needs latents")
        members, starts = _candidates(groups, candidate_factor * seats)
        picked = _cluster(
            k_cluster,
            _padded(np.asarray(latents)[order[members]], candidate_factor * budget),
            starts,
            seats,
            candidate_factor=candidate_factor,
            sizes=sizes,
            pick=pick,
        )
        places = np.asarray(picked)
        taken[members[places[places >= 0]]] = True
    return order[np.flatnonzero(_filled(taken, groups, seats, budget))]


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


def _sizes(share: int, budget: int) -> tuple[int, ...]:
    """Numbers of clusters to compile for, from about an equal share to the budget.

    A group pays for the next larger one. Cost grows with the square, so all groups
    together pay at most a few times what one group with the whole budget does.
    """
    sizes = [budget]
    while sizes[0] > _SIZE_STEP * share:
        sizes.insert(0, -(-sizes[0] // _SIZE_STEP))
    return tuple(sizes)


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
    norms = jnp.sqrt(jnp.sum(points**2, axis=1, keepdims=True))
    units = points / jnp.maximum(norms, 1e-12)

    def branch(size: int) -> Callable[..., jax.Array]:
        offsets = jnp.arange(candidate_factor * size)

        def pick_rows(
            key: Key, start: jax.Array, end: jax.Array, num_clusters: jax.Array
        ) -> jax.Array:
            rows = jnp.minimum(start + offsets, points.shape[0] - 1)
            mask = start + offsets < end
            found = kmeans(key, units[rows], mask, num_clusters, max_clusters=size)
            first = _first_of_cluster(found, mask, size, pick)
            picked = jnp.where(first < len(offsets), start + first, -1)
            return jnp.pad(picked, (0, sizes[-1] - size), constant_values=-1)

        return pick_rows

    branches = [branch(size) for size in sizes]

    def one_group(args: tuple[jax.Array, ...]) -> jax.Array:
        group, start, end, num_clusters = args
        smallest = jnp.searchsorted(jnp.array(sizes), num_clusters)
        k_group = jax.random.fold_in(key, group)
        return jax.lax.switch(smallest, branches, k_group, start, end, num_clusters)

    groups = jnp.arange(seats.shape[0])
    return jax.lax.map(one_group, (groups, starts[:-1], starts[1:], seats))


def _first_of_cluster(
    found: Clustering, mask: Bool[Array, " m"], max_clusters: int, pick: Pick
) -> Int[jax.Array, " max_clusters"]:
    """The first eligible row of each cluster; a number >= m where there is none."""
    eligible = mask
    if pick == "centroid":
        nearest = jax.ops.segment_min(found.distances, found.assignments, max_clusters)
        eligible = mask & (found.distances == nearest[found.assignments])
    num_rows = mask.shape[0]
    places = jnp.where(eligible, jnp.arange(num_rows), num_rows)
    return jax.ops.segment_min(places, found.assignments, max_clusters)


def _filled(
    taken: Bool[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    seats: Int[np.ndarray, " g"],
    budget: int,
) -> Bool[np.ndarray, " n"]:
    """Seat the first free rows of each group, then the first free rows of all."""
    taken = taken.copy()
    for group, wanted in enumerate(seats):
        members = np.flatnonzero(groups == group)
        missing = wanted - np.count_nonzero(taken[members])
        taken[members[~taken[members]][:missing]] = True
    free = np.flatnonzero(~taken)
    taken[free[: budget - np.count_nonzero(taken)]] = True
    return taken
