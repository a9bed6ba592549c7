"""One jitted pass over images in chunks of one shape: readouts, logits."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.sharding import Mesh

from gmmal_jax import parallel
from gmmal_jax.data.store import Images
from gmmal_jax.types import PyTree

Readout = Callable[[PyTree, jax.Array], dict[str, jax.Array]]
"""(state, images [m, ...] as they are stored) -> columns [m, ...], evaluation mode."""

CHUNK_ROWS = 500
"""Images a dispatch (rounded up to the devices): one shape for pool and test part."""


class Embedder:
    """Compiled readouts on some devices; each compiles once.

    Args:
      mesh: devices that share each chunk's rows.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self._programs: dict[tuple[Readout, frozenset[str] | None], Readout] = {}
        devices = mesh.devices.size
        self._size = -(-CHUNK_ROWS // devices) * devices

    def __call__(
        self,
        readout: Readout,
        state: PyTree,
        images: Images,
        columns: frozenset[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Read out columns of many images.

        Args:
          readout: pure; the same function object compiles once.
          state: replicated.
          images: m rows.
          columns: names to compute; None: all of the readout's. Fewer columns make
            a smaller program, so what is not asked costs nothing.

        Returns:
          name -> host array [m, ...], float32.
        """
        run = self._programs.get((readout, columns))
        if run is None:
            run = self._programs[readout, columns] = _jitted(readout, columns)
        parts: list[dict[str, np.ndarray]] = []
        pending = None
        for chunk in _chunks(images, self._size):
            placed = jax.device_put(chunk, parallel.over_rows(self.mesh))
            result = run(state, placed)
            # One chunk stays in flight while the one before is fetched.
            if pending is not None:
                parts.append(jax.device_get(pending))
            pending = result
        parts.append(jax.device_get(pending))
        names = parts[0]
        num = len(images)
        return {name: np.concatenate([p[name] for p in parts])[:num] for name in names}


def _jitted(readout: Readout, columns: frozenset[str] | None) -> Readout:
    def run(state: PyTree, images: jax.Array) -> dict[str, jax.Array]:
        result = readout(state, images)
        return {k: v for k, v in result.items() if columns is None or k in columns}

    return jax.jit(run)


def _chunks(images: Images, size: int) -> Iterator[np.ndarray]:
    """Chunks of one size; the last one repeats rows instead of padding with zeros.

    A readout that normalizes by the chunk's own statistics must see images only.
    """
    num = len(images)
    for start in range(0, num, size):
        yield images.read(np.resize(np.arange(start, min(start + size, num)), size))
