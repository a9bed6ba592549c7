"""Plain Linen: a convolution, LayerNorm, and a linear classifier."""

import flax.linen as nn

from gmmal_jax.models.architecture import from_linen
from gmmal_jax.types import Outputs


class Plain(nn.Module):
    num_classes: int
    width: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.LayerNorm()(nn.Conv(self.width, (3, 3), strides=2)(x)))
        latents = nn.LayerNorm()(nn.Dense(2 * self.width)(x.reshape(x.shape[0], -1)))
        return Outputs(nn.Dense(self.num_classes, name="head")(latents), latents, (x,))


def make(num_classes, width, image_shape):
    return from_linen(Plain(num_classes, width or 4), head="head")
