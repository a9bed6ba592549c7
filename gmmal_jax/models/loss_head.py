"""The loss-prediction module: one number an image from a network's feature maps."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from gmmal_jax.models.linear import linear


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
        seen = [nn.relu(linear(each.shape[1], self.width, f"map_{i}")(each))
                for i, each in enumerate(pooled)]  # fmt: skip
        joined = jnp.concatenate(seen, axis=1)
        return linear(joined.shape[1], 1, "loss")(joined)[:, 0]
