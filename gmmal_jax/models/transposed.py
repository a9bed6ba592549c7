"""The transposed convolution that doubles a map, written as `convolution.conv2d` is.

On a CPU it is one matrix product and sums of shifted blocks, whose gradients are fast
within `lax.scan`; accelerators get the stock one.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from gmmal_jax import devices
from gmmal_jax.models.convolution import conv2d

_TAPS = 4


def double(
    x: Float[Array, "n h w c"], kernel: Float[Array, "kh kw c o"]
) -> Float[Array, "n oh ow o"]:
    """A transposed convolution of stride 2 and padding 1.

    Args:
      x: [n, h, w, c].
      kernel: [kh, kw, c, o], each side 4 or 3.

    Returns:
      [n, oh, ow, o], oh = 2 h for a side of 4 and 2 h - 1 for one of 3, ow alike.

    Source: ours; `torch.nn.ConvTranspose2d(c, o, (kh, kw), stride=2, padding=1)`.
    """
    return _overlap_add(x, kernel) if devices.on_cpu() else _dilated(x, kernel)


def _dilated(x: Array, kernel: Array) -> Array:
    padding = [(taps - 2, taps - 2) for taps in kernel.shape[:2]]
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1],
        (1, 1),
        padding,
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _overlap_add(x: Array, kernel: Array) -> Array:
    """Each pixel spreads to 4 x 4 pixels: 2 x 2 blocks, of which neighbours share.

    With input i, tap k falls on row 2 i - 1 + k.
    """
    (n, h, w), (kh, kw, c, o) = x.shape[:3], kernel.shape
    kernel = jnp.pad(kernel, ((0, _TAPS - kh), (0, _TAPS - kw), (0, 0), (0, 0)))
    matrix = kernel.transpose(2, 0, 1, 3).reshape(1, 1, c, _TAPS * _TAPS * o)
    spread = conv2d(x, matrix).reshape(n, h, w, 2, 2, 2, 2, o)
    rows = _pad(spread[:, :, :, 0], 1, after=1) + _pad(spread[:, :, :, 1], 1, after=0)
    both = _pad(rows[:, :, :, :, 0], 2, after=1) + _pad(rows[:, :, :, :, 1], 2, after=0)
    full = both.transpose(0, 1, 3, 2, 4, 5).reshape(n, 2 * h + 2, 2 * w + 2, o)
    return full[:, 1 : 2 * h + kh - 3, 1 : 2 * w + kw - 3]


def _pad(x: Array, axis: int, *, after: int) -> Array:
    """One row of zeros after all others, or before them."""
    widths = [(0, 0)] * x.ndim
    widths[axis] = (1 - after, after)
    return jnp.pad(x, widths)
