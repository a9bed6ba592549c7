"""Rows of images for the steps of a chunk, placed on the devices."""

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from gmmal_jax.data.store import Images
from gmmal_jax.parallel.meshes import over_chunk, replicated

AUTO_RESIDENT_BYTES = 2 << 30
"""Images up to this size are kept on the device by placement "auto"."""


def placed(mesh: Mesh, images: Images, placement: str) -> Images:
    """Images whose rows a chunk of steps can be given; both forms give equal bits.

    Args:
      mesh: devices.
      images: on the host (a memory map will do).
      placement: "resident" keeps one copy of all rows on every device, "streamed"
        sends each chunk's rows, "auto" is resident up to `AUTO_RESIDENT_BYTES`.
    """
    if placement == "auto":
        placement = "resident" if images.nbytes <= AUTO_RESIDENT_BYTES else "streamed"
    bind = _resident if placement == "resident" else _streamed
    return bind(mesh, images)


def _resident(mesh: Mesh, images: Images) -> Images:
    target = over_chunk(mesh)
    resident = jax.device_put(images.read(slice(None)), replicated(mesh))
    take = jax.jit(lambda source, rows: source[rows], out_shardings=target)

    def place(rows: np.ndarray) -> jax.Array:
        chunk: jax.Array = take(resident, jax.device_put(rows.astype(np.int32), target))
        return chunk

    return dataclasses.replace(images, place=place)


def _streamed(mesh: Mesh, images: Images) -> Images:
    target = over_chunk(mesh)

    def place(rows: np.ndarray) -> jax.Array:
        read = images.read(rows.reshape(-1))
        chunk: jax.Array = jax.device_put(
            read.reshape(*rows.shape, *images.shape[1:]), target
        )
        return chunk

    return dataclasses.replace(images, place=place)
