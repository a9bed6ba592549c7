"""What there is of devices: sums over a mapped axis, and how much memory one has."""

from typing import TypeVar

import jax
from jax import lax

Tree = TypeVar("Tree")


def total(values: Tree, axis_name: str | None) -> Tree:
    """Sum every leaf over the devices of an axis.

    Without an axis, or with one device on it, the values themselves: even a sum over
    one device costs XLA's CPU backend an operation that nothing can be fused with.

    Args:
      values: arrays of this device.
      axis_name: mapped axis; None: there is no other device.
    """
    if axis_name is None or lax.axis_size(axis_name) == 1:
        return values
    summed: Tree = lax.psum(values, axis_name)  # type: ignore[no-untyped-call]
    return summed


def on_cpu() -> bool:
    """Whether what is traced now runs on a CPU."""
    return jax.default_backend() == "cpu"


def memory_bytes() -> int | None:
    """Memory of one of this process's accelerators; None: a CPU, or it does not say."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    limit: int | None = statistics.get("bytes_limit")
    return limit
