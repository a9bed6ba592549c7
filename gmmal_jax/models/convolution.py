"""One convolution, written so that XLA's CPU backend runs it fast everywhere.

XLA rewrites convolutions for its fast CPU kernel in a program's entry computation
only, so the gradients that `jax.grad` derives are 10 to 100 times slower inside
`lax.scan`. Here each gradient is phrased in the layout that needs no rewriting.
Accelerators have no such trouble and get the stock convolution.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_TINY = 2
"""Largest map, in or out, for which one matrix product beats the CPU's kernel."""
_LARGE = 256
"""Pixels of an output map from which the image-wise kernel gradient is faster."""

Padding = tuple[tuple[int, int], tuple[int, int]]


def conv2d(
    x: Float[Array, "n h w c"], kernel: Float[Array, "kh kw c o"], stride: int = 1
) -> Float[Array, "n oh ow o"]:
    """Convolve with zero padding of half the kernel's size, as PyTorch networks do.

    On CPU, reverse-mode differentiation only.

    Args:
      x: [n, h, w, c].
      kernel: [kh, kw, c, o].
      stride: step in both directions, static.

    Returns:
      [n, oh, ow, o] with oh = (h + 2 (kh // 2) - kh) // stride + 1, ow alike.

    Source: ours; `torch.nn.Conv2d(..., padding=k // 2)`.
    """
    kh, kw = kernel.shape[:2]
    padding = ((kh // 2, kh // 2), (kw // 2, kw // 2))
    if jax.default_backend() != "cpu":
        return _convolve(x, kernel, padding, stride=stride)
    kernel, padding = _drop_unreached(x, kernel, padding, stride)
    if kernel.shape[:2] == (1, 1) or max(x.shape[1:3]) <= _TINY:
        return _multiply_patches(x, kernel, padding, stride)
    return _canonical(x, kernel, padding, stride)


def _convolve(
    x: Array, kernel: Array, padding: Padding, *, stride: int = 1, dilation: int = 1
) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        rhs_dilation=(dilation, dilation),
        dimension_numbers=_LAYOUT,
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
    """The convolution as one matrix product; autodiff gives products again."""
    patches = jnp.concatenate(_patches(x, kernel.shape[:2], padding, stride), axis=-1)
    return patches @ kernel.reshape(-1, kernel.shape[-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _canonical(x: Array, kernel: Array, padding: Padding, stride: int) -> Array:
    return _convolve(x, kernel, padding, stride=stride)


def _canonical_fwd(
    x: Array, kernel: Array, padding: Padding, stride: int
) -> tuple[Array, tuple[Array, Array]]:
    return _canonical(x, kernel, padding, stride), (x, kernel)


def _canonical_bwd(
    padding: Padding, stride: int, residuals: tuple[Array, Array], g: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    large = g.shape[1] * g.shape[2] >= _LARGE
    kernel_gradient = _kernel_gradient_by_image if large else _kernel_gradient
    taps = kernel.shape[:2]
    return (
        _input_gradient(g, kernel, x.shape[1:3], padding, stride),
        kernel_gradient(x, g, taps, padding, stride),
    )


_canonical.defvjp(_canonical_fwd, _canonical_bwd)


def _input_gradient(
    g: Array, kernel: Array, size: tuple[int, int], padding: Padding, stride: int
) -> Array:
    """Correlate g, spread to stride 1, with the kernel turned by half a circle."""
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    spread = _spread(g, stride)
    back = [
        (tap - 1 - low, length + low - have)
        for tap, (low, _), length, have in zip(
            kernel.shape[:2], padding, size, spread.shape[1:3], strict=True
        )
    ]
    return _convolve(spread, turned, (back[0], back[1]))


def _spread(g: Array, stride: int) -> Array:
    """Put stride - 1 zeros between g's pixels: [n, (oh - 1) stride + 1, ..., o].

    `lax.pad` with interior padding says the same, but XLA would fold it into the
    convolution as a dilation, for which the fast kernel has no form.
    """
    if stride == 1:
        return g
    n, h, w, o = g.shape
    gap = (0, stride - 1)
    spaced = jnp.pad(
        g[:, :, None, :, None, :], ((0, 0), (0, 0), gap, (0, 0), gap, (0, 0))
    ).reshape(n, h * stride, w * stride, o)
    return spaced[:, : (h - 1) * stride + 1, : (w - 1) * stride + 1]


def _kernel_gradient(
    x: Array, g: Array, taps: tuple[int, int], padding: Padding, stride: int
) -> Array:
    """Correlate x with g over the images: the batch becomes the summed channel."""
    reach = [
        (low, max(0, (length - 1) * stride + tap - size - low))
        for tap, (low, _), size, length in zip(
            taps, padding, x.shape[1:3], g.shape[1:3], strict=True
        )
    ]
    gradient = _convolve(
        x.transpose(3, 1, 2, 0),
        g.transpose(1, 2, 0, 3),
        (reach[0], reach[1]),
        dilation=stride,
    )
    # The stride may leave rows of x that no window starts at.
    return gradient[:, : taps[0], : taps[1]].transpose(1, 2, 0, 3)


def _kernel_gradient_by_image(
    x: Array, g: Array, taps: tuple[int, int], padding: Padding, stride: int
) -> Array:
    """The same as a sum of one matrix product per image, whose patches fit the cache.

    Patches are channel-major, which is what makes the product fast.
    """
    c, o = x.shape[-1], g.shape[-1]
    images = x.transpose(0, 3, 1, 2)

    def add(total: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        image, g_image = pair
        patches = _patches(image[..., None], taps, padding, stride)
        rows = jnp.stack(patches).reshape(taps[0] * taps[1] * c, -1)
        return total + rows @ g_image.reshape(-1, o), None

    zeros = jnp.zeros((taps[0] * taps[1] * c, o), x.dtype)
    return lax.scan(add, zeros, (images, g))[0].reshape(*taps, c, o)
