"""How close rows are to their neighbours within their own cluster."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from gmmal_jax import numerics
from gmmal_jax.selection.blocks import centered_rows

Array = jax.Array | np.ndarray

_ROWS = 256
"""Rows whose neighbours are sought at a time, among as many others at a time."""
_SMALLEST_GAP = 1e-5


@functools.partial(jax.jit, static_argnames=("most", "num_clusters"))
def typicality(
    points: Float[Array, "n d"],
    clusters: Int[Array, " n"],
    *,
    num_clusters: int,
    most: int = 20,
) -> Float[jax.Array, " n"]:
    """One over the mean squared distance to the nearest rows of one's cluster.

    Rows are put in the order of their clusters, so that only distances within clusters
    are formed: the work is the sum of the squares of the clusters' sizes.

    Args:
      points: [n, d], finite.
      clusters: [n]; -1: the row plays no part.
      num_clusters: k, static.
      most: neighbours that count, static; of a small cluster half its rows, at least
        one.

    Returns:
      [n], 1 / (mean + 1e-5); -inf for rows that play no part.

    Source: TypiClust (Hacohen et al., 2022, arXiv:2202.02794); squared distances as
    its code has them.
    """
    num_rows = points.shape[0]
    block = min(_ROWS, num_rows)
    own = jnp.where(clusters < 0, num_clusters, clusters)
    order = jnp.argsort(own, stable=True)
    own, every = own[order], jnp.ones(num_rows, bool)
    points = centered_rows(jnp.asarray(points), order, every)
    squares = jnp.sum(points**2, axis=1)
    sizes = jnp.bincount(own, length=num_clusters + 1)
    ends = jnp.cumsum(sizes)
    begins = ends - sizes

    def visit(total: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        # The last block reaches back into the one before.
        places = jnp.minimum(first, num_rows - block) + jnp.arange(block)
        mine = own[places]

        def further(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
            at, nearest = carry
            others = at + jnp.arange(block)
            inside = jnp.minimum(others, num_rows - 1)
            products = numerics.matmul(points[places], points[inside].T)
            both = squares[places][:, None] + squares[inside][None, :]
            gaps = numerics.squared_gaps(both, products)
            counts = (own[inside][None, :] == mine[:, None]) & (
                others[None, :] != places[:, None]
            )
            counts &= (others < num_rows)[None, :]
            gaps = jnp.concatenate([nearest, jnp.where(counts, gaps, jnp.inf)], axis=1)
            return at + block, -jax.lax.top_k(-gaps, most)[0]

        last = jnp.where(mine[-1] < num_clusters, ends[mine[-1]], begins[num_clusters])
        start = (begins[mine[0]], jnp.full((block, most), jnp.inf))
        _, nearest = jax.lax.while_loop(lambda c: c[0] < last, further, start)
        wanted = jnp.clip(sizes[mine] // 2, 1, most)[:, None]
        used = (jnp.arange(most)[None, :] < wanted) & jnp.isfinite(nearest)
        number = jnp.maximum(used.sum(axis=1), 1)
        mean = jnp.where(used, nearest, 0.0).sum(axis=1) / number
        values = jnp.where(mine < num_clusters, 1 / (mean + _SMALLEST_GAP), -jnp.inf)
        return total.at[order[places]].set(values), None

    begin = jnp.full(num_rows, -jnp.inf)
    found: jax.Array
    found, _ = jax.lax.scan(visit, begin, jnp.arange(0, num_rows, block))
    return found
