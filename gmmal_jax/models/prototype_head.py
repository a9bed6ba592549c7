"""A classifier by the cosines between features and a few prototypes of each class."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmmal_jax.models.linear import linear

TEMPERATURE = 0.05
"""Divisor of the cosines: logits lie in [-20, 20]."""
_TINY = 1e-12


class PrototypeHead(nn.Module):
    """Linear, sigmoid; the nearest of a class's prototypes gives its logit.

    Attributes:
      num_classes: c.
      per_class: prototypes of a class; prototype j of class k is row j c + k.

    Source: the code of Fu et al., 2021 (the paper says "classifiers").
    """

    num_classes: int
    per_class: int = 3

    @nn.compact
    def __call__(self, latents: Float[Array, "b d"]) -> Float[Array, "b c"]:
        """Logits of independent sigmoids."""
        size = latents.shape[1]
        features = nn.sigmoid(linear(size, size, "features", bias=False)(latents))
        rows = self.per_class * self.num_classes
        prototypes = self.param(
            "prototypes", nn.initializers.normal(1.0), (rows, size), jnp.float32
        )
        cosines = jnp.matmul(
            _unit(features), _unit(prototypes).T, precision=jax.lax.Precision.HIGHEST
        )
        nearest = cosines.reshape(-1, self.per_class, self.num_classes).max(axis=1)
        return nearest / TEMPERATURE


def _unit(rows: jax.Array) -> jax.Array:
    squares = jnp.sum(jnp.square(rows), axis=1, keepdims=True)
    return rows * jax.lax.rsqrt(squares + _TINY)
