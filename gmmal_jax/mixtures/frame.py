"""Units in which float32 is enough: columns centred and scaled before they are cast.

On the host, in float64. A person's columns come in their own units, with offsets and
ranges that float32 does not have; in a frame they are about 0 and about 1, whatever
the units were. Rows that float32 holds as they are go to the device first.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from gmmal_jax.mixtures import moments
from gmmal_jax.mixtures.moments import Affine, Covariance, Moments
from gmmal_jax.mixtures.spread import Spread, blocks, is_narrow, spread
from gmmal_jax.types import Mixture, Streamed

_CONSTANT = 2.0
"""A column that varies by so many spacings of its largest number is constant."""
_DISTINCT = 4.0
"""Below so many the rounding shows: at four, half a percent of the variance."""
_WIDEST = 500
"""2 to this power is the widest column: float64 still has its square."""
_DOUBLE = float(np.finfo(np.float64).eps)

# Outside jit, indexing is five programs, each loaded on its own.
gather = jax.jit(lambda rows, indices: rows[indices])


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
        for piece in blocks(rows):
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
