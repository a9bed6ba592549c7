"""A linear layer as PyTorch initializes it, for heads beside a network's own."""

import flax.linen as nn
import jax
import jax.numpy as jnp


def linear(
    fan_in: int, features: int, name: str | None = None, bias: bool = True
) -> nn.Dense:
    """A layer uniform within +-1 / sqrt(fan in), computed exactly.

    Args:
      fan_in: features that it reads.
      features: that it makes.
      name: of its parameters, within a module.
      bias: it has one.
    """
    bound = fan_in**-0.5

    def uniform(
        key: jax.Array, shape: tuple[int, ...], dtype: type = jnp.float32
    ) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nn.Dense(
        features,
        use_bias=bias,
        name=name,
        kernel_init=uniform,
        bias_init=uniform,
        precision=jax.lax.Precision.HIGHEST,
    )
