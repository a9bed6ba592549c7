"""Random crops and flips by a row's own bits; uint8 in, normalized float32 out."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8, UInt32


def normalize(
    images: UInt8[Array, "b h w ch"],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> Float[Array, "b h w ch"]:
    """Scale pixels to [0, 1], subtract the mean, divide by the standard deviation."""
    # Constants folded on the host: one multiply and one add a pixel.
    scale = np.asarray([1 / (255 * s) for s in std], np.float32)
    shift = np.asarray([-m / s for m, s in zip(mean, std, strict=True)], np.float32)
    shape = (1, 1, 1, len(std))
    return images.astype(jnp.float32) * scale.reshape(shape) + shift.reshape(shape)


def crop_and_flip(
    bits: UInt32[Array, "b 2"],
    images: UInt8[Array, "b h w ch"],
    *,
    pad: int,
    flip: bool,
) -> UInt8[Array, "b h w ch"]:
    """Zero-pad, crop back at a random place, mirror half of the images.

    Args:
      bits: [b, 2], random, a row's own.
      images: [b, h, w, ch]; padding is black because it happens in pixel space.
      pad: pixels on each side, static; 0: no crop.
      flip: static.

    Source: section A.1 (TA-VAAL's protocol).
    """
    if pad:
        width = ((0, 0), (pad, pad), (pad, pad), (0, 0))
        halves = jnp.stack([bits[:, 0] >> 16, bits[:, 0] & 0xFFFF], axis=1)
        offsets = (halves % (2 * pad + 1)).astype(jnp.int32)
        images = jax.vmap(_crop, in_axes=(0, 0, None))(
            jnp.pad(images, width), offsets, images.shape[1:]
        )
    if flip:
        mirrored = (bits[:, 1] & 1).astype(bool).reshape(-1, 1, 1, 1)
        images = jnp.where(mirrored, images[:, :, ::-1], images)
    return images


def _crop(image: jax.Array, offset: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    start = (offset[0], offset[1], jnp.zeros((), jnp.int32))
    return jax.lax.dynamic_slice(image, start, shape)
