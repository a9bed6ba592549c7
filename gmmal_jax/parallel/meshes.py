"""Meshes of devices, and where state, rows and chunks of inputs are placed on them."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gmmal_jax import devices
from gmmal_jax.errors import UserError
from gmmal_jax.parallel import hosts
from gmmal_jax.types import AXIS, PyTree, Team


def make_mesh(num_devices: int | None = None) -> Mesh:
    """A one-axis mesh over the first devices of this process (None: all).

    Each of several processes has its own; only training steps reach over all.

    Raises:
      UserError: see `devices.local`; of several processes' devices some would be idle,
        or they have not equally many.
    """
    found = devices.local()
    num = len(found) if num_devices is None else num_devices
    if hosts.num() > 1 and (num < len(found) or len(set(_counts())) > 1):
        remedy = "several processes use all devices, equally many each"
        raise UserError("devices of the processes", _counts(), remedy)
    return Mesh(np.asarray(found[:num]), (AXIS,), axis_types=(AxisType.Auto,))


def _counts() -> list[int]:
    """Devices of each process."""
    owners = [device.process_index for device in jax.devices()]
    return [owners.count(process) for process in range(hosts.num())]


def all_devices(mesh: Mesh) -> list[jax.Device]:
    """The devices that share each batch: this process's, and those of the others."""
    return jax.devices() if hosts.num() > 1 else list(mesh.devices.flat)


def team(mesh: Mesh) -> Team | None:
    """Those devices, for what is done with all rows of a pool; None: there is one."""
    found = all_devices(mesh)
    if len(found) == 1:
        return None
    return Team(Mesh(np.asarray(found), (AXIS,), axis_types=(AxisType.Auto,)))


def num_shares(mesh: Mesh) -> int:
    """Parts of a batch, one a device, of all processes."""
    return int(mesh.devices.size) * hosts.num()


def own_shares(mesh: Mesh) -> slice:
    """Which of them are this process's."""
    first = int(mesh.devices.size) * hosts.own()
    return slice(first, first + int(mesh.devices.size))


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
