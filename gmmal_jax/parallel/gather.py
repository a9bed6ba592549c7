"""Rows of images for chunks of steps and for readouts, placed on the devices."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from gmmal_jax.data.store import Images
from gmmal_jax.parallel.meshes import over_chunk, over_rows, replicated

AUTO_RESIDENT_BYTES = 2 << 30
"""Images up to this size are kept on the device by placement "auto"."""


def placed(
    mesh: Mesh,
    images: Images,
    placement: str,
    resident_bytes: int | None = None,
) -> Images:
    """Images whose rows steps and readouts can be given; both forms give equal bits.

    Args:
      mesh: devices.
      images: on the host (a memory map will do).
      placement: "resident" keeps one copy of all rows on every device, "streamed"
        sends each chunk's rows, "auto" is resident up to `resident_bytes`.
      resident_bytes: images up to this size may be copied to the devices; None:
        `AUTO_RESIDENT_BYTES`.
    """
    if placement == "auto":
        resident_bytes = resident_bytes or AUTO_RESIDENT_BYTES
        placement = "resident" if images.nbytes <= resident_bytes else "streamed"
    bind = _resident if placement == "resident" else _streamed
    return bind(mesh, images)


def _resident(mesh: Mesh, images: Images) -> Images:
    resident = jax.device_put(images.read(slice(None)), replicated(mesh))
    targets = _targets(mesh)
    take = {
        axes: jax.jit(lambda source, rows: source[rows], out_shardings=target)
        for axes, target in targets.items()
    }

    def place(rows: np.ndarray) -> jax.Array:
        indices = jax.device_put(rows.astype(np.int32), targets[rows.ndim])
        taken: jax.Array = take[rows.ndim](resident, indices)
        return taken

    return dataclasses.replace(images, place=place)


def _streamed(mesh: Mesh, images: Images) -> Images:
    targets = _targets(mesh)

    def place(rows: np.ndarray) -> jax.Array:
        read = images.read(rows.reshape(-1)).reshape(*rows.shape, *images.shape[1:])
        sent: jax.Array = jax.device_put(read, targets[rows.ndim])
        return sent

    return dataclasses.replace(images, place=place)


def _targets(mesh: Mesh) -> dict[int, NamedSharding]:
    """Axes of the rows -> where they go."""
    return {3: over_chunk(mesh), 1: over_rows(mesh)}
