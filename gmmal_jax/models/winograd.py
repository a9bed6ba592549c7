"""3x3 convolutions with 2.25 times fewer multiplications: Winograd's F(2x2, 3x3).

Every 2x2 outputs come from a 4x4 window: windows, kernels and results are moved to a
basis in which the convolution is 16 products of one element each, which over all
windows are 16 matrix products. Wide layers on a CPU run 1.6 to 2.5 times faster so.
The transforms' factors are 0.5 and 1, which costs less than a digit of float32.

Source: Lavin and Gray, 2015, section 4.1.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

_BLOCK_WINDOWS = 512
"""Windows a block of images: its 16 matrices stay in the cache."""
_MANY_PIXELS = 256
"""Pixels of a map from which 32 channels are enough for this form to pay."""

# Of the kernel: G (4x3); of windows: B^T, of results: A^T, both as sums below.
_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], np.float32)
_KERNEL = np.einsum("ai,bj->abij", _G, _G).reshape(16, 9)

_Grid = list[list[jax.Array]]
_Sums = Callable[[list[jax.Array]], list[jax.Array]]


def suits(x: jax.Array, kernel: jax.Array) -> bool:
    """Whether this form applies and pays: static.

    Args:
      x: [n, h, w, c].
      kernel: [kh, kw, c, o].
    """
    even = all(size % 2 == 0 and size >= 4 for size in x.shape[1:3])
    # Smaller maps would gain a tenth of little; recorded results hold without it.
    wide = 32 if x.shape[1] * x.shape[2] >= _MANY_PIXELS else 64
    suited = even and min(kernel.shape[2:]) >= wide and kernel.shape[:2] == (3, 3)
    return suited and x.dtype == jnp.float32


@jax.custom_vjp
def conv3x3(
    x: Float[Array, "n h w c"], kernel: Float[Array, "3 3 c o"]
) -> Float[Array, "n h w o"]:
    """Convolve with stride 1 and one pixel of zero padding; h and w even.

    Reverse-mode differentiation only.

    Args:
      x: [n, h, w, c].
      kernel: [3, 3, c, o].
    """
    c, o = kernel.shape[2:]
    basis = (jnp.asarray(_KERNEL) @ kernel.reshape(9, c * o)).reshape(16, c, o)

    def convolve(images: jax.Array) -> jax.Array:
        products = jnp.einsum("atc,aco->ato", _windows(images), basis)
        return _collect(products, images.shape)

    blocks: jax.Array = lax.map(convolve, _blocks(x))
    return blocks.reshape(*x.shape[:3], o)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv3x3(x, kernel), (x, kernel)


def _backward(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    return conv3x3(g, turned), _kernel_gradient(x, g)


conv3x3.defvjp(_forward, _backward)


def _kernel_gradient(x: Array, g: Array) -> Array:
    c, o = x.shape[-1], g.shape[-1]

    def add(total: Array, pair: tuple[Array, Array]) -> tuple[Array, None]:
        products = jnp.einsum("atc,ato->aco", _windows(pair[0]), _spread(pair[1]))
        return total + products, None

    zeros = jnp.zeros((16, c, o), jnp.float32)
    total = lax.scan(add, zeros, (_blocks(x), _blocks(g)))[0]
    return (jnp.asarray(_KERNEL.T) @ total.reshape(16, c * o)).reshape(3, 3, c, o)


def _blocks(x: Array) -> Array:
    """[n, h, w, c] -> [blocks, images, h, w, c], of about `_BLOCK_WINDOWS`."""
    height, width = x.shape[1:3]
    return in_blocks(x, max(1, _BLOCK_WINDOWS // (height * width // 4)))


def in_blocks(x: Array, wanted: int) -> Array:
    """[n, ...] -> [blocks, images, ...], equal blocks of about `wanted` images."""
    num = len(x)
    fitting = [size for size in range(1, num + 1) if num % size == 0]
    size = min(fitting, key=lambda size: abs(size - wanted))
    return x.reshape(num // size, size, *x.shape[1:])


def _both_ways(sums: _Sums, grid: _Grid) -> list[jax.Array]:
    """`sums` along the columns, then along the rows, of a grid of arrays; row-major."""
    columns = [sums(list(column)) for column in zip(*grid, strict=True)]
    return [value for row in zip(*columns, strict=True) for value in sums(list(row))]


def _windows(x: Array) -> Array:
    """B^T d B of all 4x4 windows d that begin at every other pixel: [16, t, c]."""
    height, width, c = x.shape[1:]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    grid = [
        [padded[:, i : i + height - 1 : 2, j : j + width - 1 : 2] for j in range(4)]
        for i in range(4)
    ]

    def sums(d: list[jax.Array]) -> list[jax.Array]:
        return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]

    return jnp.stack([v.reshape(-1, c) for v in _both_ways(sums, grid)])


def _collect(products: Array, shape: tuple[int, ...]) -> Array:
    """A^T M A of the products [16, t, o]: images [n, h, w, o]."""
    num, height, width = shape[:3]
    o = products.shape[-1]
    parts = products.reshape(4, 4, num, height // 2, width // 2, o)

    def sums(m: list[jax.Array]) -> list[jax.Array]:
        return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]

    grid = [[parts[i, j] for j in range(4)] for i in range(4)]
    y = _both_ways(sums, grid)
    rows = [jnp.stack(y[:2], axis=3), jnp.stack(y[2:], axis=3)]
    return jnp.stack(rows, axis=2).reshape(num, height, width, o)


def _spread(g: Array) -> Array:
    """A g A^T, the transpose of `_collect`: images [n, h, w, o] -> [16, t, o]."""

    def sums(y: list[jax.Array]) -> list[jax.Array]:
        return [y[0], y[0] + y[1], y[0] - y[1], -y[1]]

    grid = [[g[:, i::2, j::2] for j in range(2)] for i in range(2)]
    return jnp.stack([v.reshape(-1, g.shape[-1]) for v in _both_ways(sums, grid)])
