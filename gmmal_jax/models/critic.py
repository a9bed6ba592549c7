"""The critic (discriminator): three linear layers on latents and mixture columns."""

from typing import Literal

import flax.linen as nn
import jax
from jaxtyping import Array, Float


class Critic(nn.Module):
    """Linear layers with ReLU between; twice differentiable almost everywhere.

    Attributes:
      hidden: widths of the hidden layers.
      output: "sigmoid" (values in (0, 1): 1 looks unlabeled) or "linear".

    Source: section 4.1 gives three linear layers with a sigmoid; widths, ReLU and
    Kaiming-normal weights as in VAAL and TA-VAAL.
    """

    hidden: tuple[int, ...]
    output: Literal["sigmoid", "linear"]

    @nn.compact
    def __call__(self, h: Float[Array, "b f"]) -> Float[Array, " b"]:
        """One value a row."""
        for width in self.hidden:
            h = nn.relu(_dense(width)(h))
        value = _dense(1)(h)[:, 0]
        return jax.nn.sigmoid(value) if self.output == "sigmoid" else value


def _dense(width: int) -> nn.Dense:
    return nn.Dense(
        width,
        kernel_init=nn.initializers.he_normal(),
        precision=jax.lax.Precision.HIGHEST,
    )
