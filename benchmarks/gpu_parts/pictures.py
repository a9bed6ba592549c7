"""Where the parts that train for real have their pictures from."""

import io
from pathlib import Path

import numpy as np

from benchmarks import pack_cifar
from experiments.first_cycle import check
from gmmal_jax.storage import files
from gpu_parts.base import Context


def file(context: Context) -> Path:
    """An npz file in the part's folder: CIFAR-10, or a toy's patterns.

    Args:
      context: of the part.

    Raises:
      FileNotFoundError: the command was given no data.
    """
    if context.size.name == "dry":
        toy = context.work / "toy.npz"
        check.images(toy)
        return toy
    if context.data is None:
        raise FileNotFoundError("no images: name CIFAR-10's file with --data")
    whole = context.work / "cifar10.npz"
    if not whole.exists():
        buffer = io.BytesIO()
        np.savez(buffer, **pack_cifar.read(context.data))
        files.write_atomic(whole, buffer.getvalue())
    return whole
