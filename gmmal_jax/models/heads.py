"""Networks on frozen features: a linear classifier, and one behind an adapter."""

import flax.linen as nn
import jax
from jaxtyping import Array, Float

from gmmal_jax.errors import UserError
from gmmal_jax.models.architecture import Architecture, Shape, from_linen
from gmmal_jax.models.linear import linear as layer
from gmmal_jax.types import Outputs


class Linear(nn.Module):
    """A linear classifier on the features; they are its latents and its one map.

    Nothing before it is trained: losses on latents leave it as it is.
    """

    num_classes: int

    @nn.compact
    def __call__(self, x: Float[Array, "b d"]) -> Outputs:
        """Logits [b, c], latents [b, d], a map [b, 1, 1, d]."""
        logits = layer(x.shape[1], self.num_classes, "head")(x)
        return Outputs(logits, x, (x[:, None, None, :],))


class Adapter(nn.Module):
    """Features, and what two layers add to them; a linear classifier on the sum.

    It begins as the linear classifier: the second layer's weights are zero at first.
    The map is the hidden layer.

    Attributes:
      num_classes: c.
      width: hidden units.
    """

    num_classes: int
    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "b d"]) -> Outputs:
        """Logits [b, c], latents [b, d], a map [b, 1, 1, width]."""
        hidden = nn.relu(layer(x.shape[1], self.width, "hidden")(x))
        added = nn.Dense(
            x.shape[1],
            name="added",
            kernel_init=nn.initializers.zeros,
            precision=jax.lax.Precision.HIGHEST,
        )
        latents = x + added(hidden)
        logits = layer(x.shape[1], self.num_classes, "head")(latents)
        return Outputs(logits, latents, (hidden[:, None, None, :],))


def linear(num_classes: int, width: int, shape: Shape) -> Architecture:
    """`Linear` for features [d]; the width says nothing.

    Raises:
      UserError: the rows are pictures.
    """
    _require_features("linear", shape)
    return from_linen(Linear(num_classes), head="head", scan_safe=True)


def mlp(num_classes: int, width: int, shape: Shape) -> Architecture:
    """`Adapter` for features [d].

    Raises:
      UserError: the rows are pictures.
    """
    _require_features("mlp", shape)
    return from_linen(Adapter(num_classes, width), head="head", scan_safe=True)


def _require_features(name: str, shape: Shape) -> None:
    if len(shape) != 1:
        remedy = f"it reads features [d], not pictures {shape}: use small or resnet18"
        raise UserError("--model", name, remedy)
