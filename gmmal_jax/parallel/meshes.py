"""Meshes of devices, and where state, rows and chunks of inputs are placed on them."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gmmal_jax import devices
from gmmal_jax.errors import UserError
from gmmal_jax.types import AXIS, PyTree


def make_mesh(num_devices: int | None = None) -> Mesh:
    """A one-axis mesh over the first devices (None: all local ones).

    Raises:
      UserError: see `devices.local`; JAX runs in several processes, over which nothing
        shares the data out: each would train on all of it, and results would be wrong.
    """
    found = devices.local()
    if jax.process_count() > 1:
        remedy = "start one process, without jax.distributed: several are not built yet"
        raise UserError("processes of JAX", jax.process_count(), remedy)
    num = len(found) if num_devices is None else num_devices
    return Mesh(np.asarray(found[:num]), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """The placement of state: every device holds all of it."""
    return _sharding(mesh)


def over_rows(mesh: Mesh) -> NamedSharding:
    """The placement of an array whose axis 0 is shared out over the devices."""
    return _sharding(mesh, AXIS)


def over_chunk(mesh: Mesh) -> NamedSharding:
    """The placement of a chunk's inputs: [steps, devices, ...]."""
    return _sharding(mesh, None, AXIS)


def place_state(mesh: Mesh, state: PyTree) -> PyTree:
    """Replicate the leaves of a state that are not replicated yet.

    They pass through the host: a device-to-device replica may share its source's
    buffer, and donating the state would then delete the source.
    """
    target = replicated(mesh)

    def place(leaf: jax.Array | np.ndarray) -> jax.Array:
        if isinstance(leaf, jax.Array) and leaf.sharding == target:
            return leaf
        placed: jax.Array = jax.device_put(np.array(leaf), target)
        return placed

    return jax.tree.map(place, state)


def _sharding(mesh: Mesh, *axes: str | None) -> NamedSharding:
    spec: Any = PartitionSpec  # has no annotations
    return NamedSharding(mesh, spec(*axes))
