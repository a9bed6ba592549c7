"""One convolution, written so that XLA's CPU backend runs it fast everywhere.

XLA rewrites convolutions for its fast CPU kernel in a program's entry computation
only, so the gradients that `jax.grad` derives are 10 to 100 times slower inside
`lax.scan`. Here each gradient is phrased in the layout that needs no rewriting, and
shapes for which that kernel is slow become matrix products: tiny maps, strides, few
input channels, many channels (`winograd`). Accelerators have no such trouble and get
the stock convolution.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from gmmal_jax import devices
from gmmal_jax.models import winograd

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_TINY = 2
"""Largest map that is one matrix product whole: each pixel reaches every other."""
_FEW = 4
"""Input channels up to which the CPU's kernel is slower than a product of patches."""
_LARGE = 256
"""Pixels of a map from which the block-wise kernel gradient is faster."""
_BLOCK_IMAGES = 2
"""Images a product of that gradient."""

Padding = tuple[tuple[int, int], tuple[int, int]]


def conv2d(
    x: Float[Array, "n h w c"],
    kernel: Float[Array, "kh kw c o"],
    stride: int = 1,
    padding: int | None = None,
) -> Float[Array, "n oh ow o"]:
    """Convolve with zero padding, as PyTorch networks do.

    On CPU, reverse-mode differentiation only.

    Args:
      x: [n, h, w, c].
      kernel: [kh, kw, c, o].
      stride: step in both directions, static.
      padding: rows and columns of zeros on each side, static; None: half the kernel's.

    Returns:
      [n, oh, ow, o] with oh = (h + 2 padding - kh) // stride + 1, ow alike.

    Source: ours; `torch.nn.Conv2d(..., padding=padding)`.
    """
    high, wide = (
        taps // 2 if padding is None else padding for taps in kernel.shape[:2]
    )
    pads = ((high, high), (wide, wide))
    if not devices.on_cpu():
        return _convolve(x, kernel, pads, stride)
    kernel, pads = _drop_unreached(x, kernel, pads, stride)
    if kernel.shape[:2] == (1, 1):
        return _multiply_patches(x, kernel, pads, stride)
    if max(x.shape[1:3]) <= _TINY:
        return _multiply_map(x, kernel, pads, stride)
    # Strided: the gradient by x would convolve an image that is mostly zeros.
    if stride > 1 or x.shape[-1] <= _FEW:
        return _multiply_patches(x, kernel, pads, stride)
    if padding is None and winograd.suits(x, kernel):
        return winograd.conv3x3(x, kernel)
    return _canonical(x, kernel, pads)


def _convolve(x: Array, kernel: Array, padding: Padding, stride: int = 1) -> Array:
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT
    )


def _drop_unreached(
    x: Array, kernel: Array, padding: Padding, stride: int
) -> tuple[Array, Padding]:
    """Cut off the kernel's rows and columns that meet nothing but padding."""
    cuts, rest = [], []
    for size, taps, (low, high) in zip(
        x.shape[1:3], kernel.shape[:2], padding, strict=True
    ):
        last = (size + low + high - taps) // stride * stride
        first, stop = max(0, low - last), min(taps, low + size)
        cuts.append(slice(first, stop))
        rest.append((low - first, high - (taps - stop)))
    return kernel[cuts[0], cuts[1]], (rest[0], rest[1])


def _patches(
    x: Array, taps: tuple[int, int], padding: Padding, stride: int
) -> list[Array]:
    """What each of the kernel's taps sees: kh * kw arrays [n, oh, ow, c]."""
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    spans = [size - tap for size, tap in zip(padded.shape[1:3], taps, strict=True)]
    return [
        padded[:, i : i + spans[0] + 1 : stride, j : j + spans[1] + 1 : stride]
        for i in range(taps[0])
        for j in range(taps[1])
    ]


def _multiply_patches(x: Array, kernel: Array, padding: Padding, stride: int) -> Array:
    """The convolution as one matrix product."""
    kh, kw, c, o = kernel.shape
    patches = jnp.concatenate(_patches(x, (kh, kw), padding, stride), axis=-1)
    y = _product(patches.reshape(-1, kh * kw * c), kernel.reshape(kh * kw * c, o))
    return y.reshape(*patches.shape[:3], o)


def _multiply_map(x: Array, kernel: Array, padding: Padding, stride: int) -> Array:
    """The convolution of tiny maps as one product with a matrix of all pixel pairs.

    Fewer multiplications than patches need, as those are mostly padding, and no copy.
    """
    reach = [
        _reach(size, taps, low, high, stride)
        for size, taps, (low, high) in zip(
            x.shape[1:3], kernel.shape[:2], padding, strict=True
        )
    ]
    (h, oh), (w, ow) = (array.shape[1:] for array in reach)
    kh, kw, c, o = kernel.shape
    pairs = np.einsum("aip,bjq->ijpqab", *reach).reshape(-1, kh * kw)
    matrix = (
        jnp.asarray(pairs, kernel.dtype) @ kernel.reshape(kh * kw, c * o)
    ).reshape(h, w, oh, ow, c, o)
    matrix = matrix.transpose(0, 1, 4, 2, 3, 5).reshape(h * w * c, oh * ow * o)
    return _product(x.reshape(-1, h * w * c), matrix).reshape(-1, oh, ow, o)


def _reach(size: int, taps: int, low: int, high: int, stride: int) -> np.ndarray:
    """[taps, pixels in, pixels out]: 1 where that tap leads from one to the other."""
    num = (size + low + high - taps) // stride + 1
    tap, into, out = np.ogrid[:taps, :size, :num]
    leads: np.ndarray = into == out * stride + tap - low
    return leads.astype(np.float32)


@jax.custom_vjp
def _product(x: Array, matrix: Array) -> Array:
    """X @ matrix for x of many rows and few columns."""
    return x @ matrix


def _product_fwd(x: Array, matrix: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ matrix, (x, matrix)


def _product_bwd(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, matrix = residuals
    # The small side first: the other order, which autodiff takes, transposes x.
    d_matrix = lax.dot_general(g, x, (((0,), (0,)), ((), ()))).T
    return lax.dot_general(g, matrix, (((1,), (1,)), ((), ()))), d_matrix


_product.defvjp(_product_fwd, _product_bwd)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _canonical(x: Array, kernel: Array, padding: Padding) -> Array:
    return _convolve(x, kernel, padding)


def _canonical_fwd(
    x: Array, kernel: Array, padding: Padding
) -> tuple[Array, tuple[Array, Array]]:
    return _canonical(x, kernel, padding), (x, kernel)


def _canonical_bwd(
    padding: Padding, residuals: tuple[Array, Array], g: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    large = g.shape[1] * g.shape[2] >= _LARGE
    kernel_gradient = _kernel_gradient_by_block if large else _kernel_gradient
    return (
        _input_gradient(g, kernel, padding),
        kernel_gradient(x, g, padding),
    )


_canonical.defvjp(_canonical_fwd, _canonical_bwd)


def _input_gradient(g: Array, kernel: Array, padding: Padding) -> Array:
    """Correlate g with the kernel turned by half a circle."""
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    (top, bottom), (left, right) = padding
    high, wide = kernel.shape[0] - 1, kernel.shape[1] - 1
    back = ((high - top, high - bottom), (wide - left, wide - right))
    return _convolve(g, turned, back)


def _kernel_gradient(x: Array, g: Array, padding: Padding) -> Array:
    """Correlate x with g over the images: the batch becomes the summed channel."""
    gradient = _convolve(x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), padding)
    return gradient.transpose(1, 2, 0, 3)


def _kernel_gradient_by_block(x: Array, g: Array, padding: Padding) -> Array:
    """The same as a sum of one matrix product per image or two, which fit the cache.

    The kernel's columns are shifts of x, its rows shifts of g: a product of 3 copies
    with 3 copies, for a kernel of 3x3, instead of 9 with 1.
    """
    (h, w, c), o = x.shape[1:], g.shape[-1]
    margins = zip((h, w), padding, g.shape[1:3], strict=True)
    kh, kw = (size + sum(pads) - out + 1 for size, pads, out in margins)
    above_and_below = ((kh - 1, kh - 1), (0, 0))

    def add(total: Array, block: tuple[Array, Array]) -> tuple[Array, None]:
        # Channel-major, which is what makes the product fast.
        images = block[0].transpose(3, 0, 1, 2).reshape(-1, h, w, 1)
        columns = jnp.stack(_patches(images, (1, kw), padding, stride=1))
        shifted = _patches(block[1], (kh, 1), above_and_below, stride=1)
        rows = jnp.concatenate(shifted[::-1], axis=-1)
        return total + columns.reshape(kw * c, -1) @ rows.reshape(-1, kh * o), None

    # In bfloat16 a sum over images would stop growing.
    zeros = jnp.zeros((kw * c, kh * o), jnp.float32)
    xs, gs = (winograd.in_blocks(images, _BLOCK_IMAGES) for images in (x, g))
    total = lax.scan(add, zeros, (xs, gs))[0]
    return total.reshape(kw, c, kh, o).transpose(2, 0, 1, 3).astype(x.dtype)
