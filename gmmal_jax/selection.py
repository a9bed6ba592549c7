"""Choosers: from scores of the whole pool to the rows of one query.

Shapes are fixed by the pool and the budget; masks, quotas and counts are values, so
that nothing compiles again while the labeled set grows.
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, UInt32

from gmmal_jax.types import Key

Array = jax.Array | np.ndarray
Diversity = Literal["none", "balance", "kmeans", "balance_kmeans"]
Quota = Literal["uniform", "complement"]
Pick = Literal["centroid", "score"]

_HIGHEST = jax.lax.Precision.HIGHEST
_LLOYD_STEPS = 20
_Moving = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


@jax.jit
def rank(values: Float[Array, " n"], mask: Bool[Array, " n"]) -> Float[jax.Array, " n"]:
    """Ascending average rank among the masked-in rows, scaled to [0, 1].

    Rows that are not finite (NaN, either infinity) share the lowest rank: a number
    that broke down is no reason to buy a label.

    Args:
      values: [n], higher = more informative.
      mask: [n], rows that are ranked.

    Returns:
      [n], 1 = most informative, ties share their average; 0 outside the mask and
      where only one row is ranked.

    Source: Rank of eq. 5 (section 3.5); direction, ties and range are ours (A25).
    """
    values = jnp.where(jnp.isfinite(values), values, -jnp.inf)
    # Rows outside the mask sort behind every finite value and so change no count.
    ordered = jnp.sort(jnp.where(mask, values, jnp.inf))
    below = jnp.searchsorted(ordered, values, side="left")
    up_to = jnp.searchsorted(ordered, values, side="right")
    average = (below + up_to - 1).astype(jnp.float32) / 2
    return jnp.where(mask, average / jnp.maximum(jnp.sum(mask) - 1, 1), 0.0)


@functools.partial(jax.jit, static_argnames="k")
def top_k(
    key: Key,
    total: Float[Array, " n"],
    mask: Bool[Array, " n"],
    k: int,
    *,
    ids: UInt32[Array, " n"],
) -> Int[jax.Array, " k"]:
    """The k masked-in rows of highest total, best first; ties at random.

    A row's tie number comes from the key and its id, so permuting rows permutes the
    answer. Rows whose total is not finite come after all finite ones.

    Args:
      key: decides between equal totals.
      total: [n], higher = ask first.
      mask: [n], rows that may be chosen.
      k: static. Where it exceeds the masked-in rows, the others follow them.
      ids: [n], distinct.

    Returns:
      int32 [k], rows.

    Source: Algorithm 1; ties are ours.
    """
    total = jnp.where(jnp.isfinite(total), total, -jnp.inf)
    ties = jax.vmap(lambda i: jax.random.bits(jax.random.fold_in(key, i)))(ids)
    rows = jnp.arange(total.shape[0], dtype=jnp.int32)
    # The id itself settles the rare pair whose random numbers collide.
    keys = (~jnp.asarray(mask), -total, ties, jnp.asarray(ids))
    return jax.lax.sort((*keys, rows), num_keys=len(keys))[-1][:k]


def quotas(
    num_candidates: Int[np.ndarray, " c"],
    labeled_counts: Int[np.ndarray, " c"],
    budget: int,
    mode: Quota,
) -> Int[np.ndarray, " c"]:
    """Seats of each class in a query, by the method of largest remainders.

    Args:
      num_candidates: [c], rows that may be asked and are believed to be of a class.
      labeled_counts: [c], labels bought so far; equal remainders go to the class that
        has fewest.
      budget: seats to share.
      mode: uniform: equal shares; complement: shares proportional to what each class
        lacks of an equal part of the labeled set after this query, 0 for classes that
        have more.

    Returns:
      int32 [c], at most `num_candidates`; they sum to the budget unless a class has
      fewer candidates than its share.

    Source: class balance of section 3.5; the rule is ours (A26).
    """
    num_classes = len(num_candidates)
    held = labeled_counts.astype(np.int64)
    if mode == "uniform":
        lacking = np.ones(num_classes, np.int64)
    else:
        lacking = np.maximum(held.sum() + budget - num_classes * held, 0)
    # Integers: a remainder rounded in float32 would break ties by accident.
    shares, remainders = np.divmod(budget * lacking, lacking.sum())
    order = np.lexsort((held, -remainders))
    shares[order[: budget - shares.sum()]] += 1
    return np.minimum(shares, num_candidates).astype(np.int32)


class Clustering(NamedTuple):
    """A k-means solution.

    Attributes:
      centroids: [k, d]; those from `num_clusters` on are unused.
      assignments: int32 [m], nearest centroid, -1 outside the mask.
      distances: [m], squared distance to that centroid, inf outside the mask.
    """

    centroids: jax.Array
    assignments: jax.Array
    distances: jax.Array


@functools.partial(jax.jit, static_argnames=("max_clusters", "num_iters"))
def kmeans(
    key: Key,
    points: Float[Array, "m d"],
    mask: Bool[Array, " m"],
    num_clusters: Int[Array, ""] | int,
    *,
    max_clusters: int,
    num_iters: int = _LLOYD_STEPS,
) -> Clustering:
    """Cluster points by Lloyd's algorithm from a k-means++ start.

    Args:
      key: seeds the start.
      points: [m, d]; centre them first where their mean is large against their spread.
      mask: [m], points that count.
      num_clusters: <= max_clusters; traced, so another value does not recompile.
      max_clusters: k, static.
      num_iters: most Lloyd steps, static; fewer where nothing moves any more.

    Returns:
      The clustering. Clusters may be empty: where points coincide, or are fewer than
      clusters.

    Source: k-means++ (Arthur and Vassilvitskii, 2007) and Lloyd's algorithm.
    """
    start = kmeans_start(key, points, mask, num_clusters, max_clusters=max_clusters)
    return lloyd(points, mask, start, num_clusters, num_iters=num_iters)


@functools.partial(jax.jit, static_argnames="max_clusters")
def kmeans_start(
    key: Key,
    points: Float[Array, "m d"],
    mask: Bool[Array, " m"],
    num_clusters: Int[Array, ""] | int,
    *,
    max_clusters: int,
) -> Float[jax.Array, "k d"]:
    """Draw points as centroids, far from one another: the k-means++ start.

    Args:
      key: seeds the draws.
      points: [m, d].
      mask: [m], points that may be drawn.
      num_clusters: centroids wanted, <= max_clusters; traced.
      max_clusters: k, static.

    Returns:
      [k, d], zeros from `num_clusters` on.

    Source: Arthur and Vassilvitskii, 2007.
    """
    points = jnp.where(mask[:, None], points, 0.0)
    anywhere = jnp.where(mask, 0.0, -jnp.inf)

    def add(
        i: jax.Array, carry: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        centroids, distances = carry
        # Nothing to draw by before the first centroid, nor where all points coincide
        # with one: then any point will do.
        weights = jnp.where(mask & jnp.isfinite(distances), distances, 0.0)
        logits = jnp.where(jnp.any(weights > 0), jnp.log(weights), anywhere)
        centroid = points[jax.random.categorical(jax.random.fold_in(key, i), logits)]
        gaps = jnp.sum((points - centroid[None, :]) ** 2, axis=1)
        return centroids.at[i].set(centroid), jnp.minimum(distances, gaps)

    centroids = jnp.zeros((max_clusters, points.shape[1]), points.dtype)
    distances = jnp.full(points.shape[0], jnp.inf, points.dtype)
    return jax.lax.fori_loop(0, num_clusters, add, (centroids, distances))[0]


@functools.partial(jax.jit, static_argnames="num_iters")
def lloyd(
    points: Float[Array, "m d"],
    mask: Bool[Array, " m"],
    centroids: Float[Array, "k d"],
    num_clusters: Int[Array, ""] | int,
    *,
    num_iters: int = _LLOYD_STEPS,
) -> Clustering:
    """Move centroids to the means of their points until nothing changes.

    Args:
      points: [m, d].
      mask: [m], points that count.
      centroids: [k, d], the start.
      num_clusters: the first so many centroids are used; traced.
      num_iters: most steps, static.

    Returns:
      The clustering, its assignments belonging to its centroids. A centroid without
      points stays where it is.

    Source: Lloyd, 1982.
    """
    points = jnp.where(mask[:, None], points, 0.0)
    centroids = jnp.asarray(centroids)
    active = jnp.arange(centroids.shape[0]) < num_clusters

    def assign(centroids: jax.Array) -> jax.Array:
        # A point's own square is the same for every centroid and left out.
        products = jnp.matmul(points, centroids.T, precision=_HIGHEST)
        distances = jnp.sum(centroids**2, axis=1)[None, :] - 2 * products
        nearest = jnp.argmin(jnp.where(active[None, :], distances, jnp.inf), axis=1)
        return jnp.where(mask, nearest, -1).astype(jnp.int32)

    def update(centroids: jax.Array, assignments: jax.Array) -> jax.Array:
        # A product, because a scatter of floats adds in any order on a GPU.
        members = jax.nn.one_hot(assignments, centroids.shape[0], axis=0)
        sums = jnp.matmul(members, points, precision=_HIGHEST)
        counts = jnp.sum(members, axis=1, keepdims=True)
        return jnp.where(counts > 0, sums / jnp.maximum(counts, 1.0), centroids)

    def moving(carry: _Moving) -> jax.Array:
        step, _, _, changed = carry
        return (step < num_iters) & changed

    def move(carry: _Moving) -> _Moving:
        step, centroids, before, _ = carry
        centroids = update(centroids, before)
        after = assign(centroids)
        return step + 1, centroids, after, jnp.any(after != before)

    begin = (jnp.int32(0), centroids, assign(centroids), jnp.bool_(True))
    _, centroids, assignments, _ = jax.lax.while_loop(moving, move, begin)
    gaps = jnp.sum((points - centroids[assignments]) ** 2, axis=1)
    return Clustering(centroids, assignments, jnp.where(mask, gaps, jnp.inf))


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
      (budget, d, c, options), whatever the masks and counts.

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
        max_seats = -(-budget // num_classes) if quota == "uniform" else budget
    else:
        groups = np.zeros(num_rows, np.int32)
        seats = np.array([budget], np.int32)
        max_seats = budget
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
            max_candidates=candidate_factor * max_seats,
            max_clusters=max_seats,
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


@functools.partial(jax.jit, static_argnames=("max_candidates", "max_clusters", "pick"))
def _cluster(
    key: Key,
    points: Float[Array, "p d"],
    starts: Int[Array, " bounds"],
    seats: Int[Array, " g"],
    *,
    max_candidates: int,
    max_clusters: int,
    pick: Pick,
) -> Int[jax.Array, "g max_clusters"]:
    """One point of each cluster of each group; -1 for empty clusters.

    Groups run one after the other: side by side, their tables of candidates times
    clusters would need memory that grows with the number of classes.
    """
    norms = jnp.sqrt(jnp.sum(points**2, axis=1, keepdims=True))
    units = points / jnp.maximum(norms, 1e-12)
    offsets = jnp.arange(max_candidates)

    def one_group(args: tuple[jax.Array, ...]) -> jax.Array:
        group, start, end, num_clusters = args
        rows = jnp.minimum(start + offsets, points.shape[0] - 1)
        mask = start + offsets < end
        k_group = jax.random.fold_in(key, group)
        found = kmeans(
            k_group, units[rows], mask, num_clusters, max_clusters=max_clusters
        )
        first = _first_of_cluster(found, mask, max_clusters, pick)
        return jnp.where(first < max_candidates, start + first, -1)

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
