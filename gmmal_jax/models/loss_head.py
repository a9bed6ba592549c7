"""The loss-prediction module: one number an image from a network's feature maps."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class LossHead(nn.Module):
    """Each map pooled, linear, ReLU; side by side; linear. In float32.

    Attributes:
      width: features of each map.

    Source: Learning Loss for Active Learning (Yoo & Kweon), figure 2; width 128 and
    weights uniform within +-1 / sqrt(fan in) as in its PyTorch implementations.
    """

    width: int = 128

    @nn.compact
    def __call__(self, maps: Sequence[jax.Array]) -> Float[Array, " b"]:
        """Predicted losses of maps [b, h, w, ch]; their scale means nothing."""
        pooled = [each.astype(jnp.float32).mean(axis=(1, 2)) for each in maps]
        seen = [nn.relu(_linear(each, self.width, f"map_{i}"))
                for i, each in enumerate(pooled)]  # fmt: skip
        return _linear(jnp.concatenate(seen, axis=1), 1, "loss")[:, 0]


def _linear(x: jax.Array, features: int, name: str) -> jax.Array:
    """A layer as PyTorch initializes it, computed exactly; called in a module."""
    return nn.Dense(
        features,
        name=name,
        kernel_init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
        bias_init=_uniform(x.shape[1]),
        precision=jax.lax.Precision.HIGHEST,
    )(x)


def _uniform(fan_in: int) -> nn.initializers.Initializer:
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )
