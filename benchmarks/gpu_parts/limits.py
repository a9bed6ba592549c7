"""What the device can do: matrix products and copies, measured."""

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

import harness
import jax
import jax.numpy as jnp

from gpu_parts.base import Size

PRECISIONS = ("float32", "tf32", "bf16")
"""Of training: true float32, a GPU's default for float32 (a CPU has no TF32), bf16."""


class Limits(NamedTuple):
    """Rates of the device.

    Attributes:
      products: precision -> operations a second of a square matrix product.
      copy: bytes a second, read and written, of a copy.
    """

    products: dict[str, float]
    copy: float


def measure(size: Size) -> Limits:
    """Medians of ten calls, each of several products."""
    return Limits({name: _product(name, size.side) for name in PRECISIONS}, _copy(size))


def _product(precision: str, side: int) -> float:
    dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
    a = jax.random.normal(jax.random.key(0), (side, side), jnp.float32).astype(dtype)
    exact = "highest" if precision == "float32" else "default"

    @jax.jit
    def chain(x: jax.Array) -> jax.Array:
        for _ in range(4):
            x = jnp.matmul(x, a, precision=exact) / side
        return x

    return 4 * 2 * side**3 / seconds(lambda: chain(a))


def _copy(size: Size) -> float:
    values = jnp.ones(size.copied // 4, jnp.float32)
    copy = jax.jit(lambda x: x + 1)
    return 2 * values.nbytes / seconds(lambda: copy(values))


def seconds(call: Callable[[], object], rounds: int = 10) -> float:
    """Median wall seconds of a call that is waited for; the first one compiles."""

    def blocking() -> None:
        jax.block_until_ready(call())

    blocking()
    return statistics.median(harness.timed(blocking)[0] for _ in range(rounds))


def alternating(
    contenders: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Wall seconds of contenders in turn, A B A B, after a first call of each."""
    for call in contenders.values():
        call()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            found[name].append(harness.timed(call)[0])
    return found
