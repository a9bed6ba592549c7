"""Bytes that a call sends to the device.

JAX's transfer guard logs every transfer, but not how large it is; `jnp.asarray` and
`jax.device_put` know that. Both are watched, so nothing is overlooked.
"""

import os
import tempfile
from typing import NamedTuple
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

_LOGGED = "host-to-device transfer:"


class Sent(NamedTuple):
    """What went to the device.

    Attributes:
      arrays: (dtype, shape) of each array that was handed to JAX.
      total: their bytes.
      unseen: transfers beside them, such as host arrays given to a compiled function.
    """

    arrays: list[tuple[str, tuple[int, ...]]]
    total: int
    unseen: int


def sent(call):
    """Run a call of code that has run before: what compiling sends is sent once."""
    handed = []

    def watched(function):
        def wrapper(values, *args, **kwargs):
            leaves = jax.tree.leaves(values)
            handed.extend(leaf for leaf in leaves if not isinstance(leaf, jax.Array))
            return function(values, *args, **kwargs)

        return wrapper

    with (
        mock.patch.object(jnp, "asarray", watched(jnp.asarray)),
        mock.patch.object(jax, "device_put", watched(jax.device_put)),
    ):
        logged = _transfers(call)
    arrays = [np.asarray(leaf) for leaf in handed]
    return Sent(
        [(array.dtype.name, array.shape) for array in arrays],
        sum(array.nbytes for array in arrays),
        logged - len(arrays),
    )


def _transfers(call):
    """Lines of the guard's log; C++ writes them, so the descriptor itself is caught."""
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            with jax.transfer_guard_host_to_device("log_explicit"):
                jax.block_until_ready(call())
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        return file.read().decode(errors="replace").count(_LOGGED)
