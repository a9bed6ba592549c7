"""What there is of devices: sums over a mapped axis, and how much memory one has."""

import importlib.util
import os
from typing import TypeVar

import jax
from jax import lax

from gmmal_jax.errors import UserError, reason

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


_PLUGINS = {
    "cuda": ("jax_cuda12_plugin", "jax_cuda13_plugin"),
    "tpu": ("libtpu",),
    "rocm": ("jax_rocm7_plugin", "jax_rocm60_plugin"),
}
"""Platform -> packages that bring it."""


def local() -> list[jax.Device]:
    """This process's devices: the first question that is put to them.

    Raises:
      UserError: none of the kind that is asked for, or the driver refuses.
    """
    try:
        found: list[jax.Device] = jax.local_devices()
        return found
    except (RuntimeError, AssertionError) as error:
        asked = os.environ.get("JAX_PLATFORMS")
        here = " and ".join(["cpu", *_installed()])
        if asked:
            remedy = f"this installation has {here}: unset it, or {_INSTALL}"
            raise UserError("JAX_PLATFORMS: no such device", asked, remedy) from None
        remedy = "try JAX_PLATFORMS=cpu"
        raise UserError(f"no device answers: {reason(error)}", None, remedy) from None


_INSTALL = "pip install '.[cuda13]' ('.[cuda12]', '.[tpu]')"


def _installed() -> list[str]:
    """Platforms beside the CPU whose packages are here."""
    return [
        platform
        for platform, packages in _PLUGINS.items()
        if any(importlib.util.find_spec(name) for name in packages)
    ]


def on_cpu() -> bool:
    """Whether what is traced now runs on a CPU."""
    return jax.default_backend() == "cpu"


def memory_bytes() -> int | None:
    """Memory of one of this process's accelerators; None: a CPU, or it does not say."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    limit: int | None = statistics.get("bytes_limit")
    return limit
