"""Functions of rows, on blocks of rows where all at once would take much memory."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from gmmal_jax import numerics

Array = jax.Array | np.ndarray

_MOST, _BLOCK = 2**26, 2**24
"""Most numbers that are held at once, and how many where they would be more: one
product is faster than some, and once there are some the smaller ones are."""


def by_blocks(
    function: Callable[..., jax.Array], arrays: tuple[Array, ...], width: int
) -> jax.Array:
    """A function of rows, of all at once or of as many as memory should hold.

    Args:
      function: arrays [b, ...] to [b, ...], each row by itself; traced.
      arrays: [n, ...] each.
      width: numbers that it holds of a row meanwhile.

    Returns:
      [n, ...].
    """
    size = _rows_at_once(arrays[0].shape[0], width)
    return numerics.by_blocks(function, arrays, size)


def _rows_at_once(num_rows: int, width: int) -> int:
    if num_rows * width <= _MOST:
        return num_rows
    return min(num_rows, max(1, _BLOCK // width))


def centered_rows(
    points: Float[Array, "n d"],
    places: Int[Array, " m"],
    mask: Bool[Array, " m"],
) -> Float[jax.Array, "m d"]:
    """Rows at some places less their mean, held once where they are large.

    XLA's CPU backend gives each step over an array another array.

    Args:
      points: [n, d].
      places: [m].
      mask: [m], rows that the mean is of; the others are zeros before it is taken off.
    """
    points = jnp.asarray(points)

    def masked(places: jax.Array, inside: jax.Array) -> jax.Array:
        return jnp.where(inside[:, None], points[places], 0.0)

    width = 2 * points.shape[1]
    rows = by_blocks(masked, (places, mask), width)
    mean = (jnp.sum(rows, axis=0) / jnp.sum(mask))[None, :]
    size = _rows_at_once(rows.shape[0], width)
    if size == rows.shape[0]:
        return rows - mean

    def visit(rows: jax.Array, first: jax.Array) -> tuple[jax.Array, None]:
        start = jnp.minimum(first, rows.shape[0] - size)
        old = jax.lax.dynamic_slice_in_dim(rows, start, size)
        fresh = (start + jnp.arange(size) >= first)[:, None]
        new = jnp.where(fresh, old - mean, old)
        return jax.lax.dynamic_update_slice_in_dim(rows, new, start, 0), None

    centered: jax.Array
    centered, _ = jax.lax.scan(visit, rows, jnp.arange(0, rows.shape[0], size))
    return centered
