"""One jitted pass over images in chunks of one shape: readouts, logits."""

import functools
import math
from collections.abc import Callable, Container, Iterator
from typing import Any

import jax
import numpy as np
import numpy.typing as npt
from jax.sharding import Mesh

from gmmal_jax import devices, parallel
from gmmal_jax.data.store import Images
from gmmal_jax.memory import Room
from gmmal_jax.types import Column, PyTree, Streamed, struct

Readout = Callable[[PyTree, jax.Array], dict[str, jax.Array]]
"""(state, images [m, ...] as they are stored) -> columns [m, ...], evaluation mode."""

CPU_ROWS = 500
"""Images a dispatch (rounded up to the devices): one shape for pool and test part."""
ACCELERATOR_ROWS = 2048
"""Most images a dispatch and accelerator: enough to fill one, and little to pad."""
_MAPS = 400
"""Bytes of feature maps that a network of 64 channels holds for a byte of an image."""
_ALIGNMENT = 64
"""Bytes."""


def chunk_rows(num_devices: int, image_bytes: int) -> int:
    """Images a dispatch, a multiple of the devices: one shape for all parts of a run.

    Args:
      num_devices: that share them.
      image_bytes: of one image as it is stored.
    """
    if devices.on_cpu():
        return -(-CPU_ROWS // num_devices) * num_devices
    memory = devices.memory_bytes()
    held = memory // 8 // (_MAPS * image_bytes) if memory else CPU_ROWS
    return max(1, min(ACCELERATOR_ROWS, held)) * num_devices


class Embedder:
    """Compiled readouts on some devices; each compiles once.

    Args:
      mesh: devices that share each chunk's rows.
      room: what may be held; None: everything.
    """

    def __init__(self, mesh: Mesh, room: Room | None = None) -> None:
        self.mesh, self.room = mesh, room
        self._programs: dict[tuple[Readout, frozenset[str] | None], Readout] = {}

    def __call__(
        self,
        readout: Readout,
        state: PyTree,
        images: Images,
        columns: frozenset[str] | None = None,
    ) -> dict[str, Any]:
        """Read out columns of many images.

        Args:
          readout: pure; the same function object compiles once.
          state: replicated; while a column is `Streamed`, it must not be donated.
          images: m rows, placed.
          columns: names to compute; None: all of the readout's. Fewer columns make
            a smaller program, so what is not asked costs nothing.

        Returns:
          name -> host array [m, ...], float32; wide columns as `Streamed` where there
          is a bound, held or not, so that what is made of them does not depend on it.
        """
        if self.room is None:
            return dict(self._held(readout, state, images, columns))
        one = jax.eval_shape(
            readout, state, struct((1, *images.shape[1:]), images.dtype)
        )
        found, held = dict[str, Column](), set[str]()
        for name in one if columns is None else columns:
            shape, dtype = (len(images), *one[name].shape[1:]), one[name].dtype
            if math.prod(shape) * dtype.itemsize <= self.room.column_bytes:
                held.add(name)
                continue
            read = functools.partial(self._rows, readout, state, images, name)
            found[name] = Streamed(shape, dtype, read)
        if held:
            # By the program of all columns: a smaller one may round in another way.
            found |= self._held(readout, state, images, columns, held)
        for name in held:
            column = found[name]
            if math.prod(column.shape[1:]) > self.room.narrow:
                found[name] = Streamed(column.shape, column.dtype, column.__getitem__)
        return found

    def _rows(
        self,
        readout: Readout,
        state: PyTree,
        images: Images,
        name: str,
        rows: np.ndarray,
    ) -> np.ndarray:
        """One column of some rows."""
        return self._held(readout, state, images.take(rows), frozenset({name}))[name]

    def _held(
        self,
        readout: Readout,
        state: PyTree,
        images: Images,
        columns: frozenset[str] | None,
        kept: Container[str] | None = None,
    ) -> dict[str, np.ndarray]:
        run = self._programs.get((readout, columns))
        if run is None:
            run = self._programs[readout, columns] = _jitted(readout, columns)
        num, found, done = len(images), dict[str, np.ndarray](), 0

        def fetch(result: dict[str, jax.Array]) -> None:
            nonlocal done
            if kept is not None:
                result = {name: own for name, own in result.items() if name in kept}
            for name, own in jax.device_get(result).items():
                # Of several processes each has computed its devices' rows.
                part = parallel.hosts.gathered(own).reshape(-1, *own.shape[1:])
                if name not in found:
                    found[name] = aligned((num, *part.shape[1:]), part.dtype)
                found[name][done : done + len(part)] = part[: num - done]
            done += len(part)

        pending = None
        shares, mine = parallel.num_shares(self.mesh), parallel.own_shares(self.mesh)
        for rows in _chunks(images, shares):
            own_rows = rows.reshape(shares, -1)[mine].reshape(-1)
            result = run(state, images.place(own_rows))
            # One chunk stays in flight while the one before is fetched.
            if pending is not None:
                fetch(pending)
            pending = result
        assert pending is not None
        fetch(pending)
        return found


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> np.ndarray:
    """An empty array that a jitted call reads on a CPU where it lies.

    NumPy's own arrays are copied for each call, as XLA wants 64 bytes' alignment.

    Args:
      shape: of the array.
      dtype: of its numbers.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def _jitted(readout: Readout, columns: frozenset[str] | None) -> Readout:
    def run(state: PyTree, images: jax.Array) -> dict[str, jax.Array]:
        result = readout(state, images)
        return {k: v for k, v in result.items() if columns is None or k in columns}

    return jax.jit(run)


def _chunks(images: Images, num_devices: int) -> Iterator[np.ndarray]:
    """Rows of chunks of one size; the last one repeats some instead of zeros.

    A readout that normalizes by the chunk's own statistics must see images only.
    """
    num, image = len(images), math.prod(images.shape[1:]) * images.dtype.itemsize
    size = chunk_rows(num_devices, image)
    for start in range(0, num, size):
        yield np.resize(np.arange(start, min(start + size, num)), size)
