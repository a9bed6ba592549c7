"""The convolutional VAE of VAAL and TA-VAAL, for images of any size."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.models import transposed
from gmmal_jax.models.convolution import conv2d
from gmmal_jax.models.normalization import BatchNorm
from gmmal_jax.types import Key, ModelState, PyTree

LOG_VARIANCE_CLIP = 10.0
"""Log variances of latents stay within plus or minus this: they can explode early."""
_MOST_STAGES = 4
_he_normal = nn.initializers.he_normal()

Shape = tuple[int, ...]


class Mode(NamedTuple):
    """How BatchNorm runs; see `normalization.BatchNorm`."""

    train: bool
    axis_name: str | None = None
    groups: int = 1


EVALUATION = Mode(train=False)


def stages(shape: tuple[int, ...]) -> int:
    """Convolutions of the encoder: 4, but no more than lead to a map of 2 by 2.

    4 for 28, 32 and 64 pixels, 3 for 16, 2 for 8.
    """
    return min(_MOST_STAGES, max(1, (min(shape[:2]) - 1).bit_length() - 1))


class Encoder(nn.Module):
    """Strided convolutions to the mean and log variance of each image's latents.

    Attributes:
      width: channels of the first layer, doubled by each further one.
      latent_size: d.
      mode: of BatchNorm.

    Source: VAAL's architecture: 4x4 convolutions of stride 2, padding 1 and without
    bias, BatchNorm, ReLU; Kaiming-normal weights. A last map of odd size takes 3x3, as
    public code has for 28 pixels.
    """

    width: int
    latent_size: int
    mode: Mode

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w ch"], mask: Bool[Array, " b"]
    ) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        """Mean and clipped log variance."""
        count = stages(x.shape[1:])
        for i in range(count):
            odd = [size % 2 and i == count - 1 for size in x.shape[1:3]]
            taps = [3 if each else 4 for each in odd]
            shape = (*taps, x.shape[-1], self.width * 2**i)
            kernel = self.param(f"kernel_{i}", _he_normal, shape)
            x = conv2d(x, kernel, stride=2, padding=1)
            x = nn.relu(BatchNorm(*self.mode)(x, mask))
        flat = x.reshape(x.shape[0], -1)
        mean = _dense(self.latent_size, "mean")(flat)
        log_variance = _dense(self.latent_size, "log_variance")(flat)
        return mean, jnp.clip(log_variance, -LOG_VARIANCE_CLIP, LOG_VARIANCE_CLIP)


class Decoder(nn.Module):
    """Transposed convolutions from latents to images.

    Attributes:
      width: as the encoder's; the first map has the encoder's last channels.
      shape: (h, w, ch) of the images.
      mode: of BatchNorm.

    Source: VAAL's architecture: a linear layer to a map twice as large as the encoder's
    last, transposed 4x4 convolutions of stride 2, BatchNorm, ReLU, at last a 1x1 with
    bias and no activation. Maps are the image's size halved and rounded up; an odd
    one takes 3x3. Transposed convolutions start as PyTorch's do.
    """

    width: int
    shape: Shape
    mode: Mode

    @nn.compact
    def __call__(
        self, z: Float[Array, "b f"], mask: Bool[Array, " b"]
    ) -> Float[Array, "b h w ch"]:
        """Images, normalized as those that the encoder reads."""
        last = stages(self.shape) - 1
        sizes = [[-(-side // 2**i) for side in self.shape[:2]] for i in range(last + 1)]
        first = (*sizes[last], self.width * 2**last)
        x = _dense(first[0] * first[1] * first[2], "first")(z)
        x = x.reshape(x.shape[0], *first)
        for i in reversed(range(last)):
            taps = [3 if side % 2 else 4 for side in sizes[i]]
            kernel = self.param(
                f"kernel_{i}", _as_pytorch, (*taps, x.shape[-1], self.width * 2**i)
            )
            x = transposed.double(x, kernel)
            x = nn.relu(BatchNorm(*self.mode)(x, mask))
        channels = self.shape[2]
        kernel = self.param("pixels", _as_pytorch, (1, 1, x.shape[-1], channels))
        bias = self.param("bias", _as_pytorch, (channels,))
        return conv2d(x, kernel) + bias.reshape(1, 1, 1, -1)


class Autoencoder(NamedTuple):
    """A VAE's pure functions.

    Attributes:
      init: key -> its state.
      encode: (state, images [b, h, w, ch], mask [b], mode) -> ((mean, log variance)
        [b, d] each, running averages).
      decode: (state, [b, f], mask, mode) -> (images, running averages).
      size: d, the number of latents.
    """

    init: Callable[[Key], ModelState]
    encode: Callable[
        [ModelState, jax.Array, jax.Array, Mode],
        tuple[tuple[jax.Array, jax.Array], PyTree],
    ]
    decode: Callable[[ModelState, jax.Array, jax.Array, Mode], tuple[jax.Array, PyTree]]
    size: int


def make(shape: Shape, width: int, latent_size: int, told: int = 0) -> Autoencoder:
    """A VAE of images.

    Args:
      shape: (h, w, ch).
      width: channels of the encoder's first layer.
      latent_size: d.
      told: numbers that the decoder reads beside the latents: f - d.
    """

    def module(part: str, mode: Mode) -> nn.Module:
        if part == "encoder":
            return Encoder(width, latent_size, mode)
        return Decoder(width, shape, mode)

    def init(key: Key) -> ModelState:
        inputs = {"encoder": shape, "decoder": (latent_size + told,)}
        found = {
            part: module(part, EVALUATION).init(
                jax.random.fold_in(key, i), jnp.zeros((1, *inputs[part])), _ONE
            )
            for i, part in enumerate(inputs)
        }
        params = {part: each["params"] for part, each in found.items()}
        stats = {part: each.get("batch_stats", {}) for part, each in found.items()}
        return ModelState(params, stats)

    def apply(
        part: str, state: ModelState, x: jax.Array, mask: jax.Array, mode: Mode
    ) -> tuple[Any, PyTree]:
        variables = {
            "params": state.params[part],
            "batch_stats": state.batch_stats[part],
        }
        mutable = ["batch_stats"] if mode.train else []
        found, after = module(part, mode).apply(variables, x, mask, mutable=mutable)
        stats = after.get("batch_stats", state.batch_stats[part])
        return found, state.batch_stats | {part: stats}

    return Autoencoder(
        init=init,
        encode=functools.partial(apply, "encoder"),
        decode=functools.partial(apply, "decoder"),
        size=latent_size,
    )


_ONE = jnp.ones(1, bool)


def _dense(features: int, name: str) -> nn.Dense:
    return nn.Dense(
        features,
        name=name,
        kernel_init=_he_normal,
        precision=jax.lax.Precision.HIGHEST,
    )


def _as_pytorch(key: Key, shape: tuple[int, ...]) -> jax.Array:
    """Uniform within +-1 / sqrt(taps * outputs), as `torch.nn.ConvTranspose2d`."""
    fan = shape[-1]
    for taps in shape[:-2]:
        fan *= taps
    bound: float = fan**-0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
