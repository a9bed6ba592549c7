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


STRONG_BITS = 5
"""Random words a row that `strong` reads."""
_KINDS = (
    "identity", "auto_contrast", "brightness", "contrast", "posterize", "solarize",
    "rotate", "shear_x", "shear_y", "translate_x", "translate_y",
)  # fmt: skip
_GRAY = 128
_ANGLE, _SHEAR, _SHIFT, _BLEND, _PLANES = np.pi / 6, 0.3, 0.3, 0.9, 4


def strong(
    bits: UInt32[Array, "b 5"],
    images: UInt8[Array, "b h w ch"],
    *,
    pad: int,
    flip: bool,
) -> UInt8[Array, "b h w ch"]:
    """Crop and flip, then two random changes of random strength, then cutout.

    A change is one of `_KINDS`: of tones, or of place (nearest pixel; black moves in).
    The gray square of the cutout has half the image's side and may lie half outside.

    Args:
      bits: [b, 5], random, a row's own.
      images: [b, h, w, ch].
      pad: see `crop_and_flip`.
      flip: likewise.

    Source: FixMatch's RandAugment (Sohn et al.) without its color, equalize and
    sharpness, which need color or are slow.
    """
    images = crop_and_flip(bits[:, :2], images, pad=pad, flip=flip)
    for place in (2, 3):
        kind, level, sign = _drawn(bits[:, place])
        images = jax.vmap(_tones)(images, kind, level, sign)
        images = jax.vmap(_moved)(images, kind, level, sign)
    return jax.vmap(_cut_out)(images, bits[:, 4])


def _drawn(
    bits: UInt32[Array, " b"],
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Which of `_KINDS`, how strong (in [0, 1]), and which way (+-1)."""
    kind = (bits >> 16) % len(_KINDS)
    level = ((bits >> 1) & 0x7FFF).astype(jnp.float32) / 0x7FFF
    return kind, level, jnp.where(bits & 1, 1.0, -1.0)


def _is(kind: jax.Array, name: str) -> jax.Array:
    return kind == _KINDS.index(name)


def _tones(
    image: UInt8[Array, "h w ch"], kind: jax.Array, level: jax.Array, sign: jax.Array
) -> UInt8[Array, "h w ch"]:
    """An image after a change of tones; of all of them, one is kept."""
    values, factor = image.astype(jnp.float32), 1 + sign * _BLEND * level
    low = values.min(axis=(0, 1), keepdims=True)
    range_ = jnp.maximum(values.max(axis=(0, 1), keepdims=True) - low, 1)
    mean, planes = values.mean(), jnp.round(_PLANES * level).astype(jnp.uint8)
    threshold = jnp.round(256 * (1 - level))
    return jnp.select(
        [
            _is(kind, name)
            for name in (
                "auto_contrast", "brightness", "contrast", "posterize", "solarize",
            )
        ],
        [
            _pixels((values - low) * (255 / range_)),
            _pixels(values * factor),
            _pixels(mean + (values - mean) * factor),
            (image >> planes) << planes,
            jnp.where(values < threshold, image, 255 - image),
        ],
        image,
    )  # fmt: skip


def _pixels(values: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(values), 0, 255).astype(jnp.uint8)


def _moved(
    image: UInt8[Array, "h w ch"], kind: jax.Array, level: jax.Array, sign: jax.Array
) -> UInt8[Array, "h w ch"]:
    """An image turned, sheared or shifted; other kinds leave it as it is."""
    strength = sign * level

    def share(name: str, most: float) -> jax.Array:
        return jnp.where(_is(kind, name), most * strength, 0.0)

    angle = share("rotate", _ANGLE)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    height, width = image.shape[:2]
    y, x = jnp.meshgrid(
        jnp.arange(height) - (height - 1) / 2,
        jnp.arange(width) - (width - 1) / 2,
        indexing="ij",
    )
    # Where each pixel comes from, from the center.
    from_y = cosine * y + sine * x + share("shear_y", _SHEAR) * x
    from_x = cosine * x - sine * y + share("shear_x", _SHEAR) * y
    from_y = from_y + jnp.round(share("translate_y", _SHIFT * height))
    from_x = from_x + jnp.round(share("translate_x", _SHIFT * width))
    rows = jnp.round(from_y + (height - 1) / 2).astype(jnp.int32)
    columns = jnp.round(from_x + (width - 1) / 2).astype(jnp.int32)
    # A negative index would count from the end.
    columns = jnp.where(columns < 0, width, columns)
    rows = jnp.where(rows < 0, height, rows)
    return image.at[rows, columns].get(mode="fill", fill_value=0)


def _cut_out(image: UInt8[Array, "h w ch"], word: jax.Array) -> jax.Array:
    height, width = image.shape[:2]
    side = max(height, width) // 2

    def span(size: int, draw: jax.Array) -> jax.Array:
        start = (draw % size).astype(jnp.int32) - side // 2
        place = jnp.arange(size) - start
        return (place >= 0) & (place < side)

    rows, columns = span(height, word >> 16), span(width, word & 0xFFFF)
    inside = rows[:, None, None] & columns[None, :, None]
    return jnp.where(inside, jnp.uint8(_GRAY), image)
