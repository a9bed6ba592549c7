"""SGD as PyTorch does it, with rates that follow a phase's clock."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from gmmal_jax.config import TrainConfig
from gmmal_jax.devices import total
from gmmal_jax.types import AXIS, Clock, Metrics, PyTree

_ONE_CYCLE_START = 25.0
_ONE_CYCLE_END = 1e4
_ONE_CYCLE_RISE = 0.3
_SWA_CLIMB = 4
"""The climb back to a constant rate takes so manieth a part of the steps."""


def sgd(config: TrainConfig) -> optax.GradientTransformation:
    """Weight decay on all parameters, then momentum; the rate is applied by `descend`.

    Source: section A.1; decay before momentum, and Nesterov's form, as in PyTorch.
    """
    return optax.chain(
        optax.add_decayed_weights(config.weight_decay),
        optax.trace(decay=config.momentum, nesterov=config.nesterov),
    )


def descend(
    transform: optax.GradientTransformation,
    gradients: PyTree,
    state: PyTree,
    params: PyTree,
    rate: jax.Array,
) -> tuple[PyTree, PyTree]:
    """One step: (new parameters, new optimizer state)."""
    updates, state = transform.update(gradients, state, params)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), state


class Minimized(NamedTuple):
    """What `minimize` returns.

    Attributes:
      params: after the step.
      moments: the optimizer's state, likewise.
      aux: what the objective handed on, of this device.
      metrics: of the global batch, equal on all devices.
    """

    params: PyTree
    moments: PyTree
    aux: Any
    metrics: Metrics


def minimize(
    transform: optax.GradientTransformation,
    objective: Callable[[PyTree], tuple[jax.Array, tuple[Any, Metrics]]],
    params: PyTree,
    moments: PyTree,
    rate: jax.Array,
) -> Minimized:
    """One step down an objective of the global batch, the same on all devices.

    Args:
      transform: such as `sgd`.
      objective: params -> (loss, (anything to hand on, metrics)); loss and metrics are
        this device's shares, as `network.global_mean` gives them, and are summed here.
      params: before.
      moments: the transform's state.
      rate: of this step.
    """
    gradients, (aux, metrics) = jax.grad(objective, has_aux=True)(params)
    gradients, metrics = total((gradients, metrics), AXIS)
    params, moments = descend(transform, gradients, moments, params, rate)
    return Minimized(params, moments, aux, metrics)


def scheduled(clock: Clock, config: TrainConfig) -> jax.Array:
    """Stage 1's rate at this step, by the schedule that the configuration names."""
    if config.schedule == "onecycle":
        return one_cycle(clock, config.learning_rate)
    if config.schedule == "swa":
        return cycle_then_constant(clock, config.learning_rate)
    return step_decay(
        clock,
        config.learning_rate,
        config.decay_at,
        config.decay,
        config.chunk_steps,
        config.decays,
    )


def one_cycle(clock: Clock, peak: float) -> jax.Array:
    """From peak / 25 up to the peak at 30 % of the steps, down to peak / 250,000.

    Both ways by half a cosine. The first and the last step have the end points
    themselves, and the peak is at 0.3 num_steps - 1, as in PyTorch's OneCycleLR.

    Source: section A.7 (maximum 0.1, divisor 25); the rest is OneCycleLR's default.
    """
    start, end = peak / _ONE_CYCLE_START, peak / _ONE_CYCLE_START / _ONE_CYCLE_END
    step, last = clock.step.astype(jnp.float32), clock.num_steps - 1.0
    # Phases of up to three steps have no way up: they start at the peak.
    top = jnp.maximum(_ONE_CYCLE_RISE * clock.num_steps - 1.0, 0.0)
    up = jnp.where(top > 0, step / jnp.maximum(top, 1e-6), 1.0)
    down = (step - top) / jnp.maximum(last - top, 1e-6)
    rising = step <= top
    share = jnp.clip(jnp.where(rising, up, 1.0 - down), 0.0, 1.0)
    return _half_cosine(jnp.where(rising, start, end), peak, share)


def cycle_then_constant(clock: Clock, peak: float) -> jax.Array:
    """One cycle in the first half of the steps, then up again and constant.

    The climb from peak / 250,000 takes a quarter of the steps, by half a cosine; the
    last quarter has the peak throughout.

    Source: Snapshot-AL (Jung et al., 2023), its settings for CIFAR-10: 100, 50 and 50
    epochs, by PyTorch's OneCycleLR and SWALR; theirs climbs once an epoch.
    """
    half = clock.num_steps // 2
    climb = jnp.maximum(clock.num_steps / _SWA_CLIMB, 1.0)
    share = jnp.clip((clock.step - half) / climb, 0.0, 1.0)
    bottom = peak / _ONE_CYCLE_START / _ONE_CYCLE_END
    first = one_cycle(clock._replace(num_steps=half), peak)
    return jnp.where(clock.step < half, first, _half_cosine(bottom, peak, share))


def _half_cosine(bottom: jax.Array | float, top: float, share: jax.Array) -> jax.Array:
    """From bottom (share 0) to top (share 1)."""
    return bottom + (top - bottom) * 0.5 * (1.0 - jnp.cos(jnp.pi * share))


def step_decay(
    clock: Clock,
    rate: float,
    decay_at: float,
    decay: float,
    chunk_steps: int,
    decays: int = 1,
) -> jax.Array:
    """`rate`, times `decay` from a share `decay_at` of the phase on.

    With more `decays` than one it falls again, in even distances up to the end. Drops
    fall on a chunk's boundary (the nearest one), as every event of a phase does; with
    the paper's numbers it is exact.
    """
    chunks = clock.num_steps // chunk_steps
    now: jax.Array | float = rate
    for fall in range(decays):
        share = decay_at + (1 - decay_at) * fall / decays
        drop = jnp.round(share * chunks).astype(jnp.int32) * chunk_steps
        now = jnp.where(clock.step >= drop, rate * decay ** (fall + 1), now)
    return jnp.asarray(now)
