"""How far columns of any units spread, read once: on the host or by the device.

In float64, in units that cannot overflow; narrow rows, which float32 holds as they
are, are read by the device.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool

from gmmal_jax.mixtures import layout, moments

_BLOCK_FLOATS = 2**17
"""Numbers that the host turns to float64 at once: they stay in its cache."""
_NARROW = ("float32", "float16", "bfloat16", "int16", "uint16", "int8", "uint8", "bool")
"""What float32 holds as it is."""
_LARGE = 1e15
"""Squares of numbers of this size, or its reciprocal, are far from float32's ends."""


class Spread(NamedTuple):
    """What the rows that count say of their columns; float64.

    Attributes:
      num_rows: those that count.
      low: [d], smallest numbers.
      high: [d], largest ones.
      exponent: [d], integers: moments are in units of 2**exponent, and cannot overflow.
      mean: [d].
      variance: [d], biased.
    """

    num_rows: float
    low: np.ndarray
    high: np.ndarray
    exponent: np.ndarray
    mean: np.ndarray
    variance: np.ndarray


def is_narrow(dtype: Any) -> bool:
    """Whether float32 holds all numbers of a dtype as they are."""
    return np.dtype(dtype).name in _NARROW


def spread(
    rows: Any, mask: Bool[np.ndarray, " n"]
) -> tuple[Spread, Bool[np.ndarray, " n"]]:
    """What the rows that count say of their columns, read once; and which they are.

    Args:
      rows: [n, d], NumPy, or narrow ones of JAX.
      mask: [n], rows that count; those that are not finite do not.
    """
    narrow = is_narrow(rows.dtype)
    total, usable = _nothing(rows.shape[1]), np.zeros(mask.shape, bool)
    for piece in _pieces(rows) if narrow else blocks(rows):
        if mask[piece].any():
            look = _seen_by_device if narrow else _seen_by_host
            found, usable[piece] = look(rows[piece], mask[piece])
            total = _combine(total, found)
    return total, usable


def _nothing(dims: int) -> Spread:
    zeros = np.zeros(dims)
    return Spread(0.0, zeros, zeros, zeros.astype(int), zeros, zeros)


def _seen_by_host(rows: np.ndarray, mask: np.ndarray) -> tuple[Spread, np.ndarray]:
    rows = np.asarray(rows, np.float64)
    usable = mask & np.isfinite(rows).all(axis=1)
    rows = rows if usable.all() else rows[usable]
    if not len(rows):
        return _nothing(rows.shape[1]), usable
    low, high = rows.min(axis=0), rows.max(axis=0)
    exponent = _exponent(low, high)
    if np.abs(exponent).max() < 1000:
        x = rows * np.ldexp(1.0, -exponent)  # the same numbers, much sooner
    else:
        x = np.ldexp(rows, -exponent)
    mean = x.mean(axis=0)
    mean += (x - mean).mean(axis=0)
    variance = ((x - mean) ** 2).mean(axis=0)
    return Spread(float(len(rows)), low, high, exponent, mean, variance), usable


def _seen_by_device(rows: Any, mask: np.ndarray) -> tuple[Spread, np.ndarray]:
    placed, counted = jnp.asarray(rows), jnp.asarray(mask)
    ones = jnp.ones(rows.shape[1], jnp.float32)
    usable, *found = _survey(placed, counted, ones)
    num_rows, mean, variance, low, high = (np.asarray(x, np.float64) for x in found)
    if not num_rows:
        return _nothing(rows.shape[1]), np.asarray(usable)
    exponent = np.clip(_exponent(low, high), -126, 126)
    sizes = np.where(low < high, variance, 1.0)
    if (sizes <= 1 / _LARGE**2).any() or max(high.max(), -low.min()) >= _LARGE:
        # Squares are beyond float32: once more, in units of the largest number.
        unit = np.ldexp(1.0, -exponent)
        found = _survey(placed, counted, jnp.asarray(unit, jnp.float32))[2:4]
        mean, variance = (np.asarray(x, np.float64) for x in found)
    else:
        mean = np.ldexp(mean, -exponent)
        variance = np.ldexp(variance, -2 * exponent)
    variance = np.where(low < high, variance, 0.0)
    mean = np.where(low < high, mean, np.ldexp(low, -exponent))
    found_here = Spread(float(num_rows), low, high, exponent, mean, variance)
    return found_here, np.asarray(usable)


@jax.jit
def _survey(rows: jax.Array, mask: jax.Array, unit: jax.Array) -> tuple[jax.Array, ...]:
    """Which rows count, and their number, mean and variance in a unit, low and high.

    Memory is read once: block by block, as in `moments.survey`.
    """
    num_rows, dims = rows.shape
    size = layout.block_rows(num_rows, dims)
    limits = jnp.full(dims, jnp.inf, jnp.float32), jnp.full(dims, -jnp.inf, jnp.float32)
    begin = (moments.no_moments(dims), *limits)

    def look(total: Any, block: jax.Array, asked: jax.Array) -> tuple[Any, jax.Array]:
        block = block.astype(jnp.float32)
        usable = moments.usable_rows(block, asked)
        # What is beyond is seen by low and high; its square would be infinite.
        scaled = jnp.clip(block * unit[None], -_LARGE, _LARGE)
        data = moments.moments(scaled, usable)
        here = usable[:, None]
        low = jnp.minimum(total[1], jnp.where(here, block, jnp.inf).min(axis=0))
        high = jnp.maximum(total[2], jnp.where(here, block, -jnp.inf).max(axis=0))
        return (moments.combine(total[0], data), low, high), usable

    def visit(total: Any, first: jax.Array) -> tuple[Any, jax.Array]:
        block, asked = (
            lax.dynamic_slice_in_dim(values, first, size) for values in (rows, mask)
        )
        return look(total, block, asked)

    number = num_rows // size
    total, usable = lax.scan(visit, begin, jnp.arange(number) * size)
    done = number * size
    if done == num_rows:
        rest = jnp.zeros(0, bool)
    else:
        total, rest = look(total, rows[done:], mask[done:])
    (data, low, high) = total
    return jnp.concatenate([usable.reshape(-1), rest]), *data, low, high


def _exponent(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    exponent: np.ndarray = np.frexp(np.maximum(np.abs(low), np.abs(high)))[1]
    return exponent


def _combine(a: Spread, b: Spread) -> Spread:
    """Of the union of two sets of rows (Chan, Golub and LeVeque, 1979)."""
    if not (a.num_rows and b.num_rows):
        return a if a.num_rows else b
    exponent = np.maximum(a.exponent, b.exponent)
    shifts = (a.exponent - exponent, b.exponent - exponent)
    means = np.ldexp(a.mean, shifts[0]), np.ldexp(b.mean, shifts[1])
    variances = np.ldexp(a.variance, 2 * shifts[0]), np.ldexp(b.variance, 2 * shifts[1])
    num_rows = a.num_rows + b.num_rows
    share, gap = b.num_rows / num_rows, means[1] - means[0]
    return Spread(
        num_rows,
        np.minimum(a.low, b.low),
        np.maximum(a.high, b.high),
        exponent,
        means[0] + share * gap,
        (1 - share) * (variances[0] + share * gap**2) + share * variances[1],
    )


def blocks(rows: np.ndarray) -> Iterator[slice]:
    """Slices of rows [n, d] that the host takes at once."""
    return _slices(rows.shape[0], max(1, _BLOCK_FLOATS // rows.shape[1]))


def _pieces(rows: Any) -> Iterator[slice]:
    if isinstance(rows, jax.Array):
        return iter([slice(None)])
    return _slices(rows.shape[0], layout.chunk_rows(rows.shape[1]))


def _slices(num_rows: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, num_rows, size))
