"""SGD as PyTorch does it, with rates that follow a phase's clock."""

import jax
import jax.numpy as jnp
import optax

from gmmal_jax.types import Clock, PyTree


def sgd(momentum: float, weight_decay: float) -> optax.GradientTransformation:
    """Weight decay on all parameters, then momentum; the rate is applied by `descend`.

    Source: section A.1; decay before momentum as in PyTorch.
    """
    return optax.chain(
        optax.add_decayed_weights(weight_decay), optax.trace(decay=momentum)
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


def step_decay(
    clock: Clock, rate: float, decay_at: float, decay: float, chunk_steps: int
) -> jax.Array:
    """`rate`, times `decay` from a share `decay_at` of the phase on.

    The drop falls on a chunk's boundary (the nearest one), as every event of a phase
    does; with the paper's numbers it is exact.
    """
    chunks = clock.num_steps // chunk_steps
    drop = jnp.round(decay_at * chunks).astype(jnp.int32) * chunk_steps
    return jnp.where(clock.step >= drop, rate * decay, rate)
