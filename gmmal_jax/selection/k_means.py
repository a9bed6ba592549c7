"""k-means of masked points, for a number of clusters that is a value."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gmmal_jax import devices, numerics, shares
from gmmal_jax.selection.blocks import by_blocks
from gmmal_jax.selection.far_draws import far_draws
from gmmal_jax.types import Key, Team

Array = jax.Array | np.ndarray

Pick = Literal["centroid", "score"]

_LLOYD_STEPS = 20
_Sums = tuple[jax.Array, jax.Array]
_Moving = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


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
    found: Clustering = lloyd(points, mask, start, num_clusters, num_iters=num_iters)
    return found


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
    squares = jnp.sum(points**2, axis=1)

    def squares_to(drawn: jax.Array) -> jax.Array:
        products = numerics.matmul(points, points[drawn])
        return numerics.squared_gaps(squares + squares[drawn], products)

    places = jnp.arange(max_clusters)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, places)
    drawn = numerics.kmeans_plusplus(keys, mask, num_clusters, squares_to)
    return jnp.where((places < num_clusters)[:, None], points[drawn], 0.0)


@functools.partial(jax.jit, static_argnames=("num_clusters", "axis"))
def far_start(
    key: Key,
    points: Float[Array, "m d"],
    mask: Bool[Array, " m"],
    *,
    num_clusters: int,
    axis: str | None = None,
) -> Float[jax.Array, "k d"]:
    """The k-means++ start for very many clusters: see `far_draws`.

    Args:
      key: seeds the draws.
      points: [m, d].
      mask: [m], points that may be drawn, at least one.
      num_clusters: k, static.
      axis: devices that hold a share of the points each, static; None: there is one.

    Returns:
      [k, d]; points that differ, as far as there are so many.
    """
    # Masked where they are read: masked as a whole they would be held twice.
    points = jnp.asarray(points)
    squares = jnp.where(mask, jnp.sum(points**2, axis=1), 0.0)

    def rows_at(places: jax.Array) -> jax.Array:
        inside = shares.at(jnp.asarray(mask), places, axis)
        return jnp.where(inside[:, None], shares.at(points, places, axis), 0.0)

    def squares_to(places: jax.Array) -> jax.Array:
        products = numerics.matmul(points, rows_at(places).T)
        both = squares[:, None] + shares.at(squares, places, axis)[None, :]
        # Points that may not be drawn stand in where the others are too few.
        return jnp.where(mask[:, None], numerics.squared_gaps(both, products), jnp.inf)

    k_first, k_draws = jax.random.split(key)
    logits = jnp.where(shares.joined(jnp.asarray(mask), axis), 0.0, -jnp.inf)
    first = jax.random.categorical(k_first, logits)
    every = jnp.ones(points.shape[0], bool)
    drawn = far_draws(k_draws, every, squares_to, first, num_clusters, axis)
    return rows_at(drawn)


@functools.partial(jax.jit, static_argnames=("num_iters", "axis"))
def lloyd(
    points: Float[Array, "m d"],
    mask: Bool[Array, " m"],
    centroids: Float[Array, "k d"],
    num_clusters: Int[Array, ""] | int,
    *,
    num_iters: int = _LLOYD_STEPS,
    axis: str | None = None,
) -> Clustering:
    """Move centroids to the means of their points until nothing changes.

    Args:
      points: [m, d].
      mask: [m], points that count.
      centroids: [k, d], the start.
      num_clusters: the first so many centroids are used; traced.
      num_iters: most steps, static.
      axis: devices that hold a share of the points each, static; None: there is one.

    Returns:
      The clustering, of several devices that of the own share; its assignments belong
      to its centroids. A centroid without points stays where it is.

    Source: Lloyd, 1982.
    """
    # Masked where they are read: masked as a whole they would be held twice.
    points, centroids = jnp.asarray(points), jnp.asarray(centroids)
    num_centroids = centroids.shape[0]
    active = jnp.arange(num_centroids) < num_clusters

    def nearest(points: jax.Array, centroids: jax.Array) -> jax.Array:
        # A point's own square is the same for every centroid and left out.
        products = numerics.matmul(points, centroids.T)
        distances = jnp.sum(centroids**2, axis=1)[None, :] - 2 * products
        return jnp.argmin(jnp.where(active[None, :], distances, jnp.inf), axis=1)

    def assign(centroids: jax.Array) -> jax.Array:
        found = by_blocks(
            lambda rows: nearest(rows, centroids), (points,), num_centroids
        )
        return jnp.where(mask, found, -1).astype(jnp.int32)

    def update(centroids: jax.Array, assignments: jax.Array) -> jax.Array:
        sums, counts = devices.total(
            jax.lax.platform_dependent(
                points, assignments, cpu=by_scatter, default=by_product
            ),
            axis,
        )
        return jnp.where(counts > 0, sums / jnp.maximum(counts, 1.0), centroids)

    def by_scatter(points: jax.Array, assignments: jax.Array) -> _Sums:
        # Masked rows go to a cluster that is not there.
        to = jnp.where(mask, assignments, num_centroids)
        counts = jax.ops.segment_sum(mask.astype(points.dtype), to, num_centroids)
        return jax.ops.segment_sum(points, to, num_centroids), counts[:, None]

    def by_product(points: jax.Array, assignments: jax.Array) -> _Sums:
        # A scatter of floats adds in any order on a GPU.
        members = jax.nn.one_hot(assignments, num_centroids, axis=0)
        sums = numerics.matmul(members, jnp.where(mask[:, None], points, 0.0))
        return sums, jnp.sum(members, axis=1, keepdims=True)

    def moving(carry: _Moving) -> jax.Array:
        step, _, _, changed = carry
        return (step < num_iters) & changed

    def move(carry: _Moving) -> _Moving:
        step, centroids, before, _ = carry
        centroids = update(centroids, before)
        after = assign(centroids)
        return step + 1, centroids, after, shares.any_of(after != before, axis)

    begin = (jnp.int32(0), centroids, assign(centroids), jnp.bool_(True))
    _, centroids, assignments, _ = jax.lax.while_loop(moving, move, begin)

    def gaps_of(points: jax.Array, assignments: jax.Array) -> jax.Array:
        return jnp.sum((points - centroids[assignments]) ** 2, axis=1)

    # What it leaves of a row: a centroid and the way there.
    gaps = by_blocks(gaps_of, (points, assignments), 2 * points.shape[1])
    return Clustering(centroids, assignments, jnp.where(mask, gaps, jnp.inf))


def clusters_of(
    team: Team,
    key: Key,
    points: Float[np.ndarray, "m d"],
    mask: Bool[np.ndarray, " m"],
    num_clusters: int,
    *,
    max_clusters: int,
) -> Int[np.ndarray, " m"]:
    """Clusters by Lloyd's steps from `far_start`, each device of a team with a share.

    Args:
      team: the devices.
      key: of the start.
      points: [m, d].
      mask: [m], points that count, at least one.
      num_clusters: <= max_clusters; traced.
      max_clusters: k, static.

    Returns:
      int32 [m], -1 outside the mask.
    """
    found = shares.run(
        team, _of_share, (points, mask), (key, num_clusters), k=max_clusters
    )
    clusters: np.ndarray = np.asarray(found)[: len(points)]
    return clusters


def _of_share(
    rows: tuple[jax.Array, ...],
    alike: tuple[Key, jax.Array],
    *,
    axis: str | None,
    k: int,
) -> jax.Array:
    key, number = alike
    start = far_start(key, *rows, num_clusters=k, axis=axis)
    found = lloyd(*rows, start, number, axis=axis)
    return shares.joined(found.assignments, axis)


def first_of_cluster(
    found: Clustering,
    mask: Bool[Array, " m"],
    max_clusters: int,
    pick: Pick,
    axis: str | None = None,
) -> Int[jax.Array, " max_clusters"]:
    """The first eligible point of each cluster.

    Args:
      found: the clustering of m points.
      mask: [m], points that may be taken.
      max_clusters: k.
      pick: `centroid`: those nearest to it are eligible; `score`: all are.
      axis: devices that hold a share of the points each; None: there is one.

    Returns:
      [k], places among all; a number >= m where there is none.
    """
    eligible = mask
    if pick == "centroid":
        distances = jnp.where(mask, found.distances, jnp.inf)
        nearest = jax.ops.segment_min(distances, found.assignments, max_clusters)
        nearest = shares.least(nearest, axis)
        eligible = mask & (found.distances == nearest[found.assignments])
    num_rows = shares.num(mask, axis)
    places = jnp.where(eligible, shares.places(mask, axis), num_rows)
    firsts = jax.ops.segment_min(places, found.assignments, max_clusters)
    return shares.least(firsts, axis)
