"""Units in which float32 is enough: columns centred and scaled before they are cast.

On the host, in float64. A person's columns come in their own units, with offsets and
ranges that float32 does not have; in a frame they are about 0 and about 1, whatever
the units were. Rows that float32 holds as they are go to the device first.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool

from gmmal_jax.mixtures import layout, moments
from gmmal_jax.mixtures.moments import Affine, Covariance, Moments
from gmmal_jax.types import Mixture, Streamed

_BLOCK_FLOATS = 2**17
"""Numbers that the host turns to float64 at once: they stay in its cache."""
_CONSTANT = 2.0
"""A column that varies by so many spacings of its largest number is constant."""
_DISTINCT = 4.0
"""Below so many the rounding shows: at four, half a percent of the variance."""
_WIDEST = 500
"""2 to this power is the widest column: float64 still has its square."""
_NARROW = ("float32", "float16", "bfloat16", "int16", "uint16", "int8", "uint8", "bool")
"""What float32 holds as it is."""

_LARGE = 1e15
"""Squares of numbers of this size, or its reciprocal, are far from float32's ends."""
_DOUBLE = float(np.finfo(np.float64).eps)

# Outside jit, indexing is five programs, each loaded on its own.
gather = jax.jit(lambda rows, indices: rows[indices])


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


class Frame(NamedTuple):
    """Origin and unit of every column, float64.

    Attributes:
      centre: [d].
      scale: [d], > 0.
      constant: [d], columns that say nothing: rows within are 0 there.
    """

    centre: np.ndarray
    scale: np.ndarray
    constant: np.ndarray

    @property
    def affine(self) -> Affine:
        """What brings narrow rows within on the device, float32."""
        unit = np.ldexp(1.0, -_device_exponent(self.scale))
        rest = np.where(self.constant, 0.0, 1 / (self.scale * unit))
        parts = (unit, self.centre * unit, rest)
        return Affine(*(jnp.asarray(part, jnp.float32) for part in parts))

    @property
    def nats(self) -> float:
        """What a row's log-density within is more than that of the row as it is."""
        return float(np.log(self.scale).sum())

    def within(self, values: np.ndarray) -> np.ndarray:
        """Numbers [..., d], with this origin and in these units, float64."""
        with np.errstate(over="ignore", invalid="ignore"):
            moved: np.ndarray = np.asarray(values, np.float64) - self.centre
            within: np.ndarray = moved / self.scale
        return within

    def inward(self, mixture: Mixture) -> Mixture:
        """A mixture of rows as they are, as one of rows within; float64."""
        weights, means, variances = map(np.asarray, mixture)
        return on_host([weights, self.within(means), variances / self.scale**2])

    def outward(self, mixture: Mixture) -> Mixture:
        """The reverse, of a mixture or a stack of them; weights add up to 1."""
        weights, means, variances = map(np.asarray, on_host(mixture))
        shares = weights / weights.sum(axis=-1, keepdims=True)
        means = self.centre + self.scale * means
        return on_host([shares, means, self.scale**2 * variances])


class Found(NamedTuple):
    """The frame of some rows.

    Attributes:
      frame: of the rows that count.
      blurred: [d], columns that vary by a few spacings of their own numbers.
      usable: [n], rows that are asked for and finite.
      data: their moments within, float64.
    """

    frame: Frame
    blurred: np.ndarray
    usable: np.ndarray
    data: Moments


class Framed:
    """Rows as a frame has them, on the device when they are asked for.

    Args:
      rows: [n, d], where they lie: NumPy, also a memory map, or narrow ones of JAX.
      frame: where to bring them; of narrow rows, one that `of_rows` made for them.
      dtype: of what is read; with float64 the switch must be on.

    Attributes:
      shape: (n, d).
      affine: what brings narrow rows within on the device; None for others.
    """

    def __init__(self, rows: Any, frame: Frame, dtype: Any = np.float32) -> None:
        self._rows, self._frame, self._dtype = rows, frame, dtype
        self.affine: Affine | None = None
        if is_narrow(rows.dtype) and dtype == np.float32:
            self.affine = frame.affine
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | np.ndarray) -> jax.Array:
        if not isinstance(which, np.ndarray):
            return self._place(self._rows[which])
        if self.affine and isinstance(self._rows, jax.Array):
            gathered: jax.Array
            gathered = _gather_within(self._rows, jnp.asarray(which), self.affine)
            return gathered
        rows = self._place(self._rows[which.reshape(-1)])
        return rows.reshape(*which.shape, rows.shape[1])

    def _place(self, rows: Any) -> jax.Array:
        if self.affine:
            placed: jax.Array = _within(jnp.asarray(rows), self.affine)
            return placed
        rows = np.asarray(rows)
        within = np.empty(rows.shape, self._dtype)
        for piece in _blocks(rows):
            values = self._frame.within(rows[piece])
            # 0 * NaN is NaN: a row that is not finite is not in a constant column.
            within[piece] = np.where(self._frame.constant, 0 * values, values)
        return jnp.asarray(within)


def on_host(parts: Iterable[Any]) -> Mixture:
    """Weights, means and variances as NumPy's float64."""
    values: list[Any] = [np.asarray(part, np.float64) for part in parts]
    return Mixture(*values)


def on_device(mixture: Mixture, dtype: Any) -> Mixture:
    """A mixture of the host's; with float64 the switch must be on."""
    return Mixture(*(jnp.asarray(values, dtype) for values in mixture))


def take(rows: Any, which: Any) -> jax.Array:
    """Some rows on the device, of those on the host only these; float32 as a rule.

    Args:
      rows: [n, d], framed, NumPy, JAX or streamed.
      which: a slice, or indices of any shape.
    """
    if isinstance(rows, jax.Array):
        taken: jax.Array = gather(rows, which)
        return taken
    which = which if isinstance(which, slice) else np.asarray(which)
    if isinstance(rows, np.ndarray | Streamed):
        return jnp.asarray(np.asarray(rows[which], np.float32))
    framed: jax.Array = rows[which]
    return framed


def is_narrow(dtype: Any) -> bool:
    """Whether float32 holds all numbers of a dtype as they are."""
    return np.dtype(dtype).name in _NARROW


def of_rows(
    rows: Any, mask: Bool[np.ndarray, " n"], covariance: Covariance, precision: Any
) -> Found:
    """The frame of the rows that count, and what was seen on the way.

    A column's unit is its standard deviation; with one variance for all dimensions
    there is one unit, their root mean square. A constant column's is its own size.

    Args:
      rows: [n, d], NumPy, or narrow ones of JAX.
      mask: [n], rows that count; those that are not finite do not.
      covariance: form of the variances.
      precision: the dtype that the rows came in.

    Raises:
      ValueError: a column is so wide or so narrow that float64 has no variance.
    """
    found, usable = spread(rows, mask)
    std = np.sqrt(found.variance)
    # Numbers in [1/2, 1) are so far apart; whole numbers are exact.
    spacing = _epsilon(precision) / 2
    varies = found.low < found.high
    constant = ~varies | (std <= _CONSTANT * spacing)
    blurred = varies & (std < _DISTINCT * spacing)
    sizes = np.where(constant, np.abs(found.mean), std)
    _require_range(found, constant)
    scale = np.ldexp(sizes, np.clip(found.exponent, -_WIDEST, _WIDEST))
    if covariance == "spherical":
        counted = scale if constant.all() else np.where(constant, 0.0, scale)
        scale = np.full(scale.shape, _root_mean_square(counted))
    scale = np.where(scale > 0, scale, 1.0)
    frame = Frame(np.ldexp(found.mean, found.exponent), scale, constant)
    if is_narrow(rows.dtype):
        frame = _for_device(frame)
    inside = np.where(constant, 0.0, frame.within(np.ldexp(found.mean, found.exponent)))
    variance = np.ldexp(std, found.exponent) / frame.scale
    known: list[Any] = [
        found.num_rows, inside, np.where(constant, 0.0, variance**2)
    ]  # fmt: skip
    return Found(frame, blurred, usable, Moments(*known))


def of_mixture(mixture: Mixture) -> Frame:
    """The frame of the rows that a mixture stands for: its mean and width; float64."""
    weights, means, variances = map(np.asarray, on_host(mixture))
    shares = (weights / weights.sum())[:, None]
    centre = (shares * means).sum(axis=0)
    variance = (shares * (variances + (means - centre) ** 2)).sum(axis=0)
    return Frame(centre, np.sqrt(variance), np.zeros(centre.shape, bool))


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
    for piece in _pieces(rows) if narrow else _blocks(rows):
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


@jax.jit
def _within(rows: jax.Array, affine: Affine) -> jax.Array:
    return moments.within(rows.astype(jnp.float32), affine)


@jax.jit
def _gather_within(rows: jax.Array, indices: jax.Array, affine: Affine) -> jax.Array:
    found = rows[indices.reshape(-1)].astype(jnp.float32)
    return moments.within(found, affine).reshape(*indices.shape, rows.shape[1])


def _for_device(frame: Frame) -> Frame:
    """The same frame with numbers that `affine` has in float32."""
    exponent = _device_exponent(frame.scale)
    unit = np.ldexp(1.0, -exponent)
    rest = np.asarray(1 / (frame.scale * unit), np.float32)
    centre = np.asarray(frame.centre * unit, np.float32)
    return frame._replace(
        centre=np.float64(centre) / unit, scale=1 / (np.float64(rest) * unit)
    )


def _device_exponent(scale: np.ndarray) -> np.ndarray:
    exponent: np.ndarray = np.clip(np.frexp(scale)[1], -126, 126)
    return exponent


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


def _root_mean_square(values: np.ndarray) -> float:
    peak = float(values.max()) or 1.0
    return peak * float(np.sqrt(np.mean((values / peak) ** 2)))


def _require_range(found: Spread, constant: np.ndarray) -> None:
    std = np.sqrt(found.variance)
    power = found.exponent + np.frexp(std)[1]
    beyond = np.flatnonzero(~constant & (np.abs(power) > _WIDEST))
    if beyond.size:
        column = beyond[0]
        raise ValueError(
            f"column {column} reaches from {found.low[column]:.3g} to "
            f"{found.high[column]:.3g}: float64 has no variance for it; divide it "
            f"by {np.ldexp(1.0, int(power[column])):.0e}"
        )


def _epsilon(dtype: Any) -> float:
    if jnp.issubdtype(dtype, jnp.floating):
        own = float(jnp.finfo(dtype).eps)  # type: ignore[no-untyped-call]
        return max(own, _DOUBLE)
    return _DOUBLE


def _blocks(rows: np.ndarray) -> Iterator[slice]:
    return _slices(rows.shape[0], max(1, _BLOCK_FLOATS // rows.shape[1]))


def _pieces(rows: Any) -> Iterator[slice]:
    if isinstance(rows, jax.Array):
        return iter([slice(None)])
    return _slices(rows.shape[0], layout.chunk_rows(rows.shape[1]))


def _slices(num_rows: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, num_rows, size))
