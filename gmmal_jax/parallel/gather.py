"""Rows of images for the steps of a chunk, placed on the devices."""

from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh

from gmmal_jax.parallel.meshes import over_chunk, replicated

Gather = Callable[[np.ndarray], jax.Array]
"""int64 [t, devices, b] rows -> uint8 [t, devices, b, h, w, ch], placed for a chunk."""

AUTO_RESIDENT_BYTES = 2 << 30
"""Image arrays up to this size are kept on the device by placement "auto"."""


def make_gather(mesh: Mesh, images: np.ndarray, placement: str) -> Gather:
    """Rows of the images for the steps of a chunk; both forms give equal bits.

    Args:
      mesh: devices.
      images: uint8 [n, h, w, ch], on the host (a memory map will do).
      placement: "resident" keeps all images on every device, "streamed" sends each
        chunk's rows, "auto" is resident up to `AUTO_RESIDENT_BYTES`.
    """
    if placement == "auto":
        placement = "resident" if images.nbytes <= AUTO_RESIDENT_BYTES else "streamed"
    target = over_chunk(mesh)
    if placement == "streamed":
        return lambda indices: jax.device_put(images[indices], target)
    resident = jax.device_put(images, replicated(mesh))
    take = jax.jit(lambda source, rows: source[rows], out_shardings=target)
    return lambda indices: take(
        resident, jax.device_put(indices.astype(np.int32), target)
    )
