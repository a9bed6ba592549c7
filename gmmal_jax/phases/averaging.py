"""Exponential moving averages of parameters, as teachers and targets are made."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from gmmal_jax.types import PyTree


def warmed(step: Int[Array, ""], decay: float) -> Float[Array, ""]:
    """min(1 - 1 / (step + 1), decay): the plain mean at first, then the decay.

    Args:
      step: from 0, where the share is 0 and the average becomes a copy.
      decay: the largest share, in [0, 1].

    Returns:
      The share that the average keeps at this step.

    Source: Mean teachers (Tarvainen & Valpola, 2017; arXiv:1703.01780), its code.
    """
    return jnp.minimum(1 - 1 / (step.astype(jnp.float32) + 1), decay)


def averaged(average: PyTree, params: PyTree, share: jax.Array | float) -> PyTree:
    """The new average, leaf by leaf: share * average + (1 - share) * params.

    Args:
      average: float leaves.
      params: of the same form.
      share: in [0, 1]; 0 copies the parameters.
    """
    return jax.tree.map(lambda a, p: share * a + (1 - share) * p, average, params)


def recent(step: Int[Array, ""], decay: float) -> Float[Array, ""]:
    """min((1 + step) / (10 + step), decay): at first the last tenth of the steps.

    A network is read by such an average: the plain mean of a run of some hundred steps
    is still one of first weights, which predict nothing.

    Args:
      step: from 0, where the share is a tenth.
      decay: the largest share, in [0, 1].

    Returns:
      The share that the average keeps at this step.

    Source: TensorFlow's ExponentialMovingAverage, with its number of updates.
    """
    steps = step.astype(jnp.float32)
    return jnp.minimum((1 + steps) / (10 + steps), decay)
