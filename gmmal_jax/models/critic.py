"""The critic (discriminator): three linear layers on latents and mixture columns."""

from collections.abc import Sequence
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
    def __call__(
        self, h: Float[Array, "b f"], kept: Sequence[jax.Array] = ()
    ) -> Float[Array, " b"]:
        """One value a row.

        Args:
          h: inputs.
          kept: of each hidden layer, factors [b, width] of its units; empty: none.
        """
        for layer, width in enumerate(self.hidden):
            h = nn.relu(_dense(width)(h))
            h = h * kept[layer] if kept else h
        value = _dense(1)(h)[:, 0]
        return jax.nn.sigmoid(value) if self.output == "sigmoid" else value


def _dense(width: int) -> nn.Dense:
    return nn.Dense(
        width,
        kernel_init=nn.initializers.he_normal(),
        precision=jax.lax.Precision.HIGHEST,
    )
