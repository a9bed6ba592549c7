"""Exact EM on rows that stay on the host: the device holds a few chunks at a time."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from gmmal_jax.mixtures import layout, moments, steps
from gmmal_jax.mixtures.em import EMInfo
from gmmal_jax.mixtures.frame import take
from gmmal_jax.mixtures.moments import FLOOR, Affine, Covariance, Floor, Moments
from gmmal_jax.types import Mixture

_AHEAD = 2
"""Chunks under way: one is read while another is worked on."""


def fit(
    latents: Any,
    mask: Bool[np.ndarray, " n"],
    start: Mixture,
    *,
    num_iters: int = 10,
    floor: Floor = FLOOR,
    covariance: Covariance = "diag",
    tolerance: float | None = None,
    chunk_rows: int | None = None,
    affine: Affine | None = None,
    data: Moments | None = None,
) -> tuple[Mixture, EMInfo]:
    """Fit one mixture to all rows, read in chunks once an iteration.

    Args:
      latents: [n, d], framed or NumPy, any numeric dtype; also a memory map.
      mask: [n], rows that count; masked and non-finite rows have no influence.
      start: [k], [k, d], [k, d].
      num_iters: t.
      floor: how small a variance may become.
      covariance: form of the variances.
      tolerance: stop when an iteration gains less, nats per row; None: never.
      chunk_rows: rows on the device at once; None: 64 MiB of them.
      affine: as in `em.fit`.
      data: as in `em.fit`.

    Returns:
      What `em.fit` returns, equal to rounding.
    """
    chunk_rows = chunk_rows or layout.chunk_rows(latents.shape[1])
    usable = [
        jnp.asarray(mask[first : first + chunk_rows])
        for first in range(0, len(latents), chunk_rows)
    ]
    if data is None:
        data = moments.no_moments(latents.shape[1], start.means.dtype)
        for number, chunk in enumerate(chunks(latents, chunk_rows)):
            usable[number], found = _survey(chunk, usable[number], affine)
            found.num_rows.block_until_ready()
            data = moments.combine(data, found)
    mixture, limits = _prepare(data, start, floor_rule=floor, covariance=covariance)
    history: list[float] = []
    for _ in range(num_iters):
        centre = _centre(mixture, limits)
        sums = _expect(latents, usable, mixture, centre, chunk_rows, affine)
        mixture, trace = _maximise(sums, mixture, centre, limits, covariance=covariance)
        history.append(float(trace.log_likelihood))
        if tolerance is not None and np.diff(history[-2:]).min(initial=np.inf) < (
            tolerance
        ):
            break
    iterations = len(history)
    history += history[-1:] * (num_iters - iterations)
    return mixture, EMInfo(
        jnp.asarray(history, start.means.dtype),
        trace.live,
        jnp.asarray(int(mask.sum()) - sum(int(rows.sum()) for rows in usable)),
        trace.rho,
        trace.counts,
        trace.floored,
        jnp.asarray(iterations),
    )


def chunks(latents: Any, chunk_rows: int) -> Iterator[Float[Array, "m d"]]:
    """Pieces of the rows, one after the other, on the device."""
    for first in range(0, len(latents), chunk_rows):
        yield take(latents, slice(first, first + chunk_rows))


def _expect(
    latents: Any,
    usable: list[jax.Array],
    mixture: Mixture,
    centre: jax.Array,
    chunk_rows: int,
    affine: Affine | None,
) -> steps.Sums:
    total, under_way = steps.no_sums(mixture), []
    pieces = zip(chunks(latents, chunk_rows), usable, strict=True)
    for chunk, rows in pieces:
        total = _add(total, chunk, rows, mixture, centre, affine)
        under_way.append(total.log_likelihood)
        # Work is queued, not done: without waiting all chunks would be on the device.
        if len(under_way) >= _AHEAD:
            under_way.pop(0).block_until_ready()
    return total


@jax.jit
def _add(
    total: steps.Sums,
    latents: jax.Array,
    rows: jax.Array,
    mixture: Mixture,
    centre: jax.Array,
    affine: Affine | None,
) -> steps.Sums:
    width = max(mixture.means.shape)
    block_rows = layout.block_rows(latents.shape[0], width)
    sums = steps.expect_blocks(latents, rows, mixture, centre, block_rows, affine)
    added: steps.Sums = jax.tree.map(jnp.add, total, sums)
    return added


@jax.jit
def _survey(
    latents: jax.Array, mask: jax.Array, affine: Affine | None
) -> tuple[jax.Array, Moments]:
    return moments.survey(moments.within(latents, affine), mask)


_centre = jax.jit(steps.centre_of)
_prepare = jax.jit(steps.prepare, static_argnames=("floor_rule", "covariance"))

_maximise = jax.jit(steps.maximise, static_argnames="covariance")
