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
from jaxtyping import Array, Bool, Float

from gmmal_jax.mixtures import layout, moments
from gmmal_jax.mixtures.moments import Covariance
from gmmal_jax.types import Mixture

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


class Framed:
    """Rows as a frame has them, on the device when they are asked for.

    Args:
      rows: [n, d], NumPy, where they lie; also a memory map.
      frame: where to bring them; of narrow rows, one that `of_rows` made for them.
      dtype: of what is read; with float64 the switch must be on.
    """

    def __init__(self, rows: np.ndarray, frame: Frame, dtype: Any = np.float32) -> None:
        self._rows, self._frame, self._dtype = rows, frame, dtype
        self._on_device = is_narrow(rows.dtype) and dtype == np.float32
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: slice | np.ndarray) -> jax.Array:
        if isinstance(which, np.ndarray):
            rows = self._place(self._rows[which.reshape(-1)])
            return rows.reshape(*which.shape, rows.shape[1])
        return self._place(self._rows[which])

    def _place(self, rows: np.ndarray) -> jax.Array:
        if self._on_device:
            return place(jnp.asarray(np.asarray(rows, np.float32)), self._frame)
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


def take(rows: Any, which: Any) -> jax.Array:
    """Some rows on the device, of those on the host only these; float32 as a rule.

    Args:
      rows: [n, d], framed, NumPy or JAX.
      which: a slice, or indices of any shape.
    """
    if isinstance(rows, jax.Array):
        taken: jax.Array = gather(rows, which)
        return taken
    which = which if isinstance(which, slice) else np.asarray(which)
    if isinstance(rows, np.ndarray):
        return jnp.asarray(np.asarray(rows[which], np.float32))
    framed: jax.Array = rows[which]
    return framed


def is_narrow(dtype: Any) -> bool:
    """Whether float32 holds all numbers of a dtype as they are."""
    return np.dtype(dtype).name in _NARROW


def place(rows: jax.Array, frame: Frame) -> Float[Array, "n d"]:
    """Narrow rows on the device, within; float32."""
    exponent = _device_exponent(frame.scale)
    unit = np.ldexp(1.0, -exponent)
    rest = np.where(frame.constant, 0.0, 1 / (frame.scale * unit))
    parts = (jnp.asarray(p, jnp.float32) for p in (unit, frame.centre * unit, rest))
    placed: Float[Array, "n d"] = _place(rows, *parts)
    return placed


def of_rows(
    rows: Any, mask: Bool[np.ndarray, " n"], covariance: Covariance
) -> tuple[Frame, Bool[np.ndarray, " d"]]:
    """The frame of the rows that count, and which columns their own precision blurs.

    A column's unit is its standard deviation; with one variance for all dimensions
    there is one unit, their root mean square. A constant column's is its own size.

    Args:
      rows: [n, d], NumPy, or narrow ones of JAX.
      mask: [n], rows that count; those that are not finite do not.
      covariance: form of the variances.

    Returns:
      The frame, and [d], columns that vary by a few spacings of their own numbers.

    Raises:
      ValueError: a column is so wide or so narrow that float64 has no variance.
    """
    found = spread(rows, mask)
    std = np.sqrt(found.variance)
    # Numbers in [1/2, 1) are so far apart; whole numbers are exact.
    spacing = _epsilon(rows.dtype) / 2
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
    return _for_device(frame) if is_narrow(rows.dtype) else frame, blurred


def of_mixture(mixture: Mixture) -> Frame:
    """The frame of the rows that a mixture stands for: its mean and width; float64."""
    weights, means, variances = map(np.asarray, on_host(mixture))
    shares = (weights / weights.sum())[:, None]
    centre = (shares * means).sum(axis=0)
    variance = (shares * (variances + (means - centre) ** 2)).sum(axis=0)
    return Frame(centre, np.sqrt(variance), np.zeros(centre.shape, bool))


def spread(rows: Any, mask: Bool[np.ndarray, " n"]) -> Spread:
    """What the rows that count say of their columns, read once, in pieces.

    Args:
      rows: [n, d], NumPy, or narrow ones of JAX.
      mask: [n], rows that count; those that are not finite do not.
    """
    narrow = is_narrow(rows.dtype)
    total = None
    for piece in _pieces(rows) if narrow else _blocks(rows):
        if not mask[piece].any():
            continue
        found = (_on_device if narrow else _on_host)(rows[piece], mask[piece])
        if found.num_rows:
            total = found if total is None else _combine(total, found)
    if total is None:
        zeros = np.zeros(rows.shape[1])
        return Spread(0.0, zeros, zeros, zeros.astype(int), zeros, zeros)
    return total


def _on_host(rows: np.ndarray, mask: np.ndarray) -> Spread:
    rows = np.asarray(rows, np.float64)
    usable = mask & np.isfinite(rows).all(axis=1)
    rows = rows if usable.all() else rows[usable]
    if not len(rows):
        zeros = np.zeros(rows.shape[1])
        return Spread(0.0, zeros, zeros, zeros.astype(int), zeros, zeros)
    low, high = rows.min(axis=0), rows.max(axis=0)
    exponent = _exponent(low, high)
    if np.abs(exponent).max() < 1000:
        x = rows * np.ldexp(1.0, -exponent)  # the same numbers, much sooner
    else:
        x = np.ldexp(rows, -exponent)
    mean = x.mean(axis=0)
    mean += (x - mean).mean(axis=0)
    variance = ((x - mean) ** 2).mean(axis=0)
    return Spread(float(len(rows)), low, high, exponent, mean, variance)


def _on_device(rows: Any, mask: np.ndarray) -> Spread:
    placed, counted = jnp.asarray(rows), jnp.asarray(mask)
    low, high = (np.asarray(x, np.float64) for x in _range(placed, counted))
    if not np.isfinite(low).all():  # no row
        low = high = np.zeros(low.shape)
    exponent = np.clip(_exponent(low, high), -126, 127)
    # Of numbers up to 2**128: what float32 has no power for is left for the moments.
    unit = jnp.asarray(np.ldexp(1.0, -exponent), jnp.float32)
    found = [np.asarray(x, np.float64) for x in _scaled_moments(placed, counted, unit)]
    return Spread(float(found[0]), low, high, exponent, *found[1:])


@jax.jit
def _range(rows: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows = rows.astype(jnp.float32)
    usable = moments.usable_rows(rows, mask)[:, None]
    return (
        jnp.where(usable, rows, jnp.inf).min(axis=0),
        jnp.where(usable, rows, -jnp.inf).max(axis=0),
    )


@jax.jit
def _scaled_moments(
    rows: jax.Array, mask: jax.Array, unit: jax.Array
) -> moments.Moments:
    return moments.survey(rows.astype(jnp.float32) * unit[None], mask)[1]


@jax.jit
def _place(
    rows: jax.Array, unit: jax.Array, centre: jax.Array, rest: jax.Array
) -> jax.Array:
    # By a power of two first: exact, and so is the difference of close numbers.
    return (rows.astype(jnp.float32) * unit[None] - centre[None]) * rest[None]


def _for_device(frame: Frame) -> Frame:
    """The same frame with numbers that `place` has in float32."""
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
