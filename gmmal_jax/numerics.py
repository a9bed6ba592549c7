"""What mixtures, selection and training compute alike: exact products, k-means++."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float, Int

from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_SAME = 1e-6
"""Squared distances below this share of both squares are rounding: no distance."""


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """A matrix product in full float32 on every platform.

    An accelerator's default, TF32 or bfloat16, is wrong by whole nats where a
    log-density is made of squares.

    Args:
      a: [..., n, m], or [m].
      b: [..., m, p], or [m].

    Returns:
      [..., n, p], as `jnp.matmul` has it.
    """
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)


def squared_gaps(both: jax.Array, products: jax.Array) -> jax.Array:
    """Squared distances |a|^2 + |b|^2 - 2 a.b, 0 where they are rounding.

    By products: XLA's CPU backend adds squared differences one by one.

    Args:
      both: |a|^2 + |b|^2 of each pair.
      products: a.b of each pair.
    """
    gaps = both - 2 * products
    return jnp.where(gaps > _SAME * both, gaps, 0.0)


def directions(rows: Float[Array, "n d"]) -> Float[jax.Array, "n d"]:
    """Rows divided by their lengths; rows of zeros stay as they are.

    Args:
      rows: [n, d]; those that are not finite become something that is not, either.
    """
    rows = jnp.asarray(rows)
    # Squares of large or small rows leave float32; powers of two round nothing.
    _, exponents = jnp.frexp(jnp.max(jnp.abs(rows), axis=1, keepdims=True))
    rows = rows * jnp.ldexp(jnp.ones(()), jnp.clip(-exponents, -100, 100))
    lengths = jnp.sqrt(jnp.sum(rows**2, axis=1, keepdims=True))
    return rows / jnp.where(lengths > 0, lengths, 1.0)


def by_blocks(
    function: Callable[..., jax.Array], arrays: tuple[Array, ...], size: int
) -> jax.Array:
    """A function of rows, block by block.

    Args:
      function: arrays [b, ...] to [b, ...], each row by itself; traced.
      arrays: [n, ...] each.
      size: rows of a block; n: all at once.

    Returns:
      [n, ...].
    """
    num_rows, whole = arrays[0].shape[0], tuple(map(jnp.asarray, arrays))
    if size >= num_rows:
        return function(*whole)

    def visit(total: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        # The last block reaches back into the one before.
        start = jnp.minimum(first, num_rows - size)
        rows = (lax.dynamic_slice_in_dim(array, start, size) for array in whole)
        values = function(*rows)
        return lax.dynamic_update_slice_in_dim(total, values, start, 0), None

    kind = jax.eval_shape(function, *(array[:size] for array in whole))
    begin = jnp.zeros((num_rows, *kind.shape[1:]), kind.dtype)
    total: jax.Array = lax.scan(visit, begin, jnp.arange(0, num_rows, size))[0]
    return total


def kmeans_plusplus(
    keys: Key,
    mask: Bool[Array, " n"],
    num_draws: Int[Array, ""] | int,
    squares_to: Callable[[jax.Array], Float[jax.Array, " n"]],
) -> Int[jax.Array, " k"]:
    """Draw points far from one another, with odds of their squared distances.

    Args:
      keys: [k], one a draw, in the order of drawing.
      mask: [n], points that may be drawn.
      num_draws: draws wanted, <= k; traced, so another value does not recompile.
      squares_to: squared distances [n] of all points to the one at an index.

    Returns:
      [k], indices; 0 from `num_draws` on, and for all if no point may be drawn. A
      point comes twice only where no other is left that differs from those drawn.

    Source: Arthur and Vassilvitskii, 2007.
    """
    anywhere = jnp.where(mask, 0.0, -jnp.inf)

    def draw(i: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        indices, nearest = carry
        # Nothing to draw by before the first point, nor where all points coincide
        # with one: then any point will do.
        weights = jnp.where(mask & jnp.isfinite(nearest), nearest, 0.0)
        logits = jnp.where(jnp.any(weights > 0), jnp.log(weights), anywhere)
        index = jax.random.categorical(keys[i], logits)
        nearest = jnp.minimum(nearest, squares_to(index))
        return indices.at[i].set(index), nearest

    indices = jnp.zeros(keys.shape[0], jnp.int32)
    nearest = jnp.full(mask.shape[0], jnp.inf)
    drawn: jax.Array = lax.fori_loop(0, num_draws, draw, (indices, nearest))[0]
    return drawn
