"""What a caller hands to a fit: checked, in the caller's own words, in one line."""

import numbers
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.errors import reason
from gmmal_jax.mixtures.frame import on_host
from gmmal_jax.mixtures.moments import Covariance
from gmmal_jax.mixtures.spread import is_narrow
from gmmal_jax.types import Key, Mixture

_PLAIN = (np.ndarray, np.memmap, np.matrix)
_SUM = 1e-6
"""How far a start's weights may add up from 1, and as many float32 roundings."""


def array(values: Any, name: str) -> Any:
    """Numbers as an array where they lie, NumPy or JAX.

    Raises:
      ValueError: they mean more than their numbers, or are no real numbers at all.
    """
    require_plain(values, name)
    if not isinstance(values, jax.Array | np.ndarray):
        values = _converted(values, name)
    if isinstance(values, np.ndarray):
        values = np.asarray(values)  # a matrix is an array, a memory map stays one
    if values.dtype.kind not in "fiub" and values.dtype != jnp.bfloat16:
        raise ValueError(f"{name} must be real numbers, not {values.dtype}")
    return values


def require_plain(values: Any, name: str) -> None:
    """Refuse arrays whose type means more than their numbers: masked, with units."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(
            f"{name} is a masked array, and a fit has no missing values; drop the rows "
            "that are masked, or fill them"
        )
    if isinstance(values, np.ndarray) and type(values) not in _PLAIN:
        kind = type(values).__name__
        raise ValueError(
            f"{name} is a {kind}, whose meaning beyond its numbers would be lost; "
            f"give the numbers: numpy.asarray({name})"
        )


def rows(values: Any, name: str) -> Any:
    """Rows [n, d], as `array` has them."""
    values = array(values, name)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{name} must be [rows, dimensions], not {values.shape}")
    # What float32 has no room for is centred on the host.
    return values if is_narrow(values.dtype) else np.asarray(values)


def mask(values: Any, num_rows: int) -> np.ndarray:
    """Which rows count, [n]."""
    if values is None:
        return np.ones(num_rows, bool)
    found = np.asarray(array(values, "mask"))
    if found.shape != (num_rows,) or found.dtype != bool:
        raise ValueError(
            f"mask must be {num_rows} booleans, not {found.dtype} {found.shape}"
        )
    if not found.any():
        raise ValueError("no row is left: the mask is false everywhere")
    return found


def whole(value: Any, name: str, least: int = 1) -> int:
    """A whole number of at least so much."""
    number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not number or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, not {value!r}"
        )
    return int(value)


def real(value: Any, name: str, *, positive: bool = False) -> float:
    """A finite number, at least 0 or above it."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value < 0 or (positive and value == 0):
        kind = "above 0" if positive else "of at least 0"
        raise ValueError(f"{name} must be a number {kind}, not {value!r}")
    return float(value)


def choice(value: Any, name: str, valid: tuple[str, ...]) -> Any:
    """One of some names."""
    if not isinstance(value, str) or value not in valid:
        raise ValueError(f"{name} must be one of {valid}, not {value!r}")
    return value


def covariance(value: Any, name: str = "covariance") -> Covariance:
    """A form of variances."""
    form: Covariance = choice(value, name, get_args(Covariance))
    return form


def key(seed: Any) -> Key:
    """The PRNG key of a seed, or the key that was given."""
    if isinstance(seed, jax.Array) and (seed.ndim or _is_key(seed)):
        return seed
    if isinstance(seed, jax.Array | np.ndarray) and seed.ndim == 0:
        seed = seed.item()
    number = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not number or not 0 <= seed < 2**63:
        raise ValueError(
            f"seed must be a whole number of at least 0, or a key, not {seed!r}"
        )
    return jax.random.key(int(seed) % 2**32)


def start(given: Any, num_components: int, dims: int) -> Mixture:
    """A mixture to start from, float64.

    Raises:
      ValueError: wrong shapes, numbers that are not finite, weights that are negative
        or do not add up to 1, variances that are negative.
    """
    if not isinstance(given, tuple | list) or len(given) != 3:
        raise ValueError(
            "start must be 'kmeans++' or a mixture (weights, means, variances), not "
            f"{given if isinstance(given, str) else type(given).__name__!r}"
        )
    parts = zip(given, ("weights", "means", "variances"), strict=True)
    found = on_host(array(values, f"start's {name}") for values, name in parts)
    wide = (num_components, dims)
    shapes = tuple(values.shape for values in found)
    if shapes != ((num_components,), wide, wide):
        raise ValueError(f"start must be of {wide} components, its arrays are {shapes}")
    if not all(np.isfinite(values).all() for values in found):
        raise ValueError("start must be finite, it has NaN or infinity")
    if found.weights.min() < 0 or found.variances.min() < 0:
        raise ValueError("start's weights and variances must not be negative")
    require_sum(np.asarray(found.weights), "start's weights")
    return found


def require_sum(weights: np.ndarray, name: str) -> None:
    """Refuse mixing weights that do not add up to 1."""
    total = float(weights.sum(dtype=np.float64))
    if abs(total - 1) > _SUM + 2.0**-24 * weights.size:
        raise ValueError(f"{name} must add up to 1, not {total:.6g}")


def _converted(values: Any, name: str) -> np.ndarray:
    if hasattr(values, "toarray") or hasattr(values, "todense"):
        raise ValueError(f"{name} is sparse; give {name}.toarray()")
    try:
        found = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(f"{name} is no array of numbers: {reason(error)}") from None
    if found.dtype.kind == "O":
        kind = type(values).__name__
        raise ValueError(f"{name} must be real numbers, not objects (a {kind})")
    return found


def _is_key(values: jax.Array) -> bool:
    return bool(jnp.issubdtype(values.dtype, jax.dtypes.prng_key))
