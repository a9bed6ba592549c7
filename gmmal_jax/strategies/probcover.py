"""ProbCover: rows whose balls cover as much of the pool as possible."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics, selection
from gmmal_jax.config import ProbCoverConfig
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView

_directions = jax.jit(numerics.directions)
_IMPURE = 0.05
"""Share of the balls that may hold rows of another cluster."""
_ROWS = 256
"""Balls that are formed at a time."""
_SAMPLE = 2048
"""Balls by which the radius is chosen: the share is met within half a percent."""


def make(probcover: ProbCoverConfig) -> Strategy:
    """One row after the other: the one whose ball holds most rows that none holds yet.

    Balls lie about latents of length 1; those of labeled rows are covered at first, and
    the whole pool is to be covered, also rows that may not be asked this time. Where
    all is covered, rows are drawn at random. Latents are those of the network: with
    self-supervised features, which its authors use, it is a stronger method.

    Without a given radius it is the largest at which 95 % of the balls are pure: hold
    rows of one cluster alone, of k-means with as many clusters as classes. That is a
    quantile of the distances to the nearest row of another cluster, so no grid of radii
    is tried. It is taken over at most 2,048 random balls in the whole pool. The authors
    choose it once for a data set; here the latents change with the network.

    Args:
      probcover: the radius.

    Source: Yehuda et al., 2022 (arXiv:2205.11320). Its code builds the graph of whole
    blocks of 500 rows, so that the last rows are never chosen; ours takes all.
    """
    select = functools.partial(_select, probcover.radius)
    selector = Selector(frozenset({"latents"}), select)
    return Strategy("probcover", frozenset(), select=selector)


def _select(
    radius: float | None, key: Key, view: PoolView, total: np.ndarray, ask: Ask
) -> jax.Array:
    del total
    k_radius, k_cover = jax.random.split(key)
    points = _directions(view.columns["latents"])
    if radius is None:
        square = pure_square(k_radius, points, view.ids, num_classes=ask.num_classes)
    else:
        square = jnp.float32(radius) ** 2
    rows: jax.Array = selection.greedy_cover(
        k_cover, points, view.labeled, view.candidates, square, ask.budget, ids=view.ids
    )
    return rows


@functools.partial(jax.jit, static_argnames="num_classes")
def pure_square(
    key: Key, points: jax.Array, ids: jax.Array, *, num_classes: int
) -> jax.Array:
    """The square of the largest radius at which enough balls are pure.

    Args:
      key: of the clustering and of the sample of balls.
      points: [n, d], rows that are not finite play no part.
      ids: uint32 [n].
      num_classes: clusters.

    Returns:
      float32 [], at most 4, the square of the unit sphere's diameter.
    """
    k_order, k_start = jax.random.split(key)
    finite = jnp.isfinite(points).all(axis=1)
    order = selection.random_order(k_order, finite, finite, ids)
    mask = finite[order]
    points = jnp.where(mask[:, None], points[order], 0.0)
    found = selection.kmeans(
        k_start, points, mask, num_classes, max_clusters=num_classes
    )
    size = min(_SAMPLE, order.size)
    gaps = _to_another(points, found.assignments, size)
    number = jnp.sum(mask[:size])
    gaps = jnp.sort(jnp.where(mask[:size], gaps, jnp.inf))
    # A closed ball is pure as long as its radius stays below the gap.
    first = gaps[jnp.floor(_IMPURE * number).astype(jnp.int32)]
    return jnp.nextafter(jnp.minimum(first, 4.0), 0.0)


def _to_another(points: jax.Array, groups: jax.Array, size: int) -> jax.Array:
    """Squared distances [size] from the first rows to the nearest of another group.

    Rows of group -1 play no part; inf where there is no other group.
    """
    squares = jnp.sum(points**2, axis=1)

    def visit(args: tuple[jax.Array, ...]) -> jax.Array:
        point, square, group = args
        products = numerics.matmul(points, point)
        gaps = numerics.squared_gaps(squares + square, products)
        other = (groups >= 0) & (groups != group)
        return jnp.min(jnp.where(other, gaps, jnp.inf))

    firsts = (points[:size], squares[:size], groups[:size])
    nearest: jax.Array = jax.lax.map(visit, firsts, batch_size=_ROWS)
    return nearest
