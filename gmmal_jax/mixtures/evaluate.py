"""Log-densities of rows in any units, on the host: block by block, in enough digits.

Rows are evaluated in the frame of the mixture, in float32; in float64 all rows of a
mixture whose components lie too far apart for that, and single rows that do.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.mixtures import gaussian
from gmmal_jax.mixtures.em import HEALTHY
from gmmal_jax.mixtures.frame import of_mixture, on_device
from gmmal_jax.switches import pinned
from gmmal_jax.types import Mixture

_BLOCK_ROWS = 512
"""Rows are scored in blocks of one shape: one compilation, and a row's result does
not depend on the rows beside it."""
_FAR = 100.0
"""A row so many standard deviations away is evaluated in float64."""
_FARTHEST = 1e100
"""And counts as so far away at most: float64 has its square."""

Values = Literal["log_joint", "log_likelihood", "posteriors"]


def evaluate(values: Values, rows: np.ndarray, mixture: Mixture) -> np.ndarray:
    """What a mixture says of rows.

    Args:
      values: log-joint densities [n, k], log-likelihoods [n], nats, or posterior
        probabilities [n, k].
      rows: [n, d], finite.
      mixture: [k], [k, d], [k, d], float64, in the rows' units.

    Returns:
      [n, k] or [n], float64.
    """
    frame = of_mixture(mixture)
    inner = frame.inward(mixture)
    nats = 0.0 if values == "posteriors" else frame.nats
    with pinned():
        narrow = on_device(inner, np.float32)
        enough = float(_rho(narrow)) <= HEALTHY
    with pinned(double=True):
        exact = on_device(inner, np.float64)
    width = () if values == "log_likelihood" else (len(inner.weights),)
    results = np.empty((len(rows), *width))
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = frame.within(rows[first : first + _BLOCK_ROWS])
        near = (np.abs(block).max(axis=1) < _FAR) & enough
        found = results[first : first + _BLOCK_ROWS]
        if near.all():
            with pinned():
                found[:] = _of_block(values, block, narrow, np.float32)
            continue
        if near.any():
            with pinned():
                found[near] = _of_block(values, block[near], narrow, np.float32)
        far = np.clip(block[~near], -_FARTHEST, _FARTHEST)
        with pinned(double=True):
            found[~near] = _of_block(values, far, exact, np.float64)
    results -= nats
    return results


def _of_block(
    values: Values, block: np.ndarray, mixture: Mixture, dtype: Any
) -> np.ndarray:
    padded = np.zeros((_BLOCK_ROWS, block.shape[1]), dtype)
    padded[: len(block)] = block
    return np.asarray(_FUNCTIONS[values](jnp.asarray(padded), mixture))[: len(block)]


@jax.jit
def _posteriors(rows: jax.Array, mixture: Mixture) -> jax.Array:
    return jnp.exp(gaussian.log_posteriors(rows, mixture))


_rho = jax.jit(gaussian.rho)
_FUNCTIONS: dict[Values, Callable[[jax.Array, Mixture], jax.Array]] = {
    "log_joint": jax.jit(gaussian.log_joint),
    "log_likelihood": jax.jit(gaussian.log_likelihood),
    "posteriors": _posteriors,
}
