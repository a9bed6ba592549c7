"""Card, driver, versions, what is missing, and the rates that shares refer to."""

import importlib.util
import os
import platform
import subprocess
from importlib import metadata

import harness
import jax

from gmmal_jax import devices
from gpu_parts import limits
from gpu_parts.base import Context, Found

PEERS = {"torch": "PyTorch's steps", "torchgmm": "its EM", "gmmx": "its EM"}
_QUERY = "name,driver_version,memory.total,clocks.max.sm,power.limit"


def measure(context: Context) -> Found:
    """What everything else depends on."""
    absent = [
        f"{name}: {what} not compared"
        for name, what in PEERS.items()
        if importlib.util.find_spec(name) is None
    ]
    if context.data is None and context.size.name == "full":
        absent.append("no --data: the experiment cannot train")
    found = limits.measure(context.size)
    device = jax.devices()[0]
    results = {
        "environment": harness.environment(),
        "card": _card(),
        "devices": len(jax.devices()),
        "memory_bytes": devices.memory_bytes(),
        "flags": {
            k: v for k, v in os.environ.items() if k.startswith(("XLA_", "JAX_"))
        },
        "packages": {
            name: metadata.version(name)
            for name in ("optax", "orbax-checkpoint", "chex", "scipy")
        },
        "system": platform.platform(),
        "products_flops": found.products,
        "copy_bytes_per_s": found.copy,
    }
    rates = ", ".join(f"{k} {v / 1e12:.3g}" for k, v in found.products.items())
    headline = (
        f"{device.device_kind}, jax {jax.__version__}: products {rates} TFLOP/s, copy "
        f"{found.copy / 1e9:.3g} GB/s"
    )
    return Found(headline, results, tuple(absent))


def _card() -> str | None:
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
