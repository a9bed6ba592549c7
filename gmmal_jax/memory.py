"""How much of a pool is held at once: what a bound on memory is spent on."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.selection import CONSTRUCTIONS, Selector
from gmmal_jax.types import PoolView, Streamed

GB = 10**9
_PROCESS = 0.9 * GB
"""Python, JAX, what it has compiled, a network and its training."""
_CONVOLUTIONS = 0.3 * GB
"""More of it, where a network has convolutions: their programs, while they compile."""
_ROW = 160
"""Bytes of a row whatever its features: masks, labels, scores, ranks, sorting."""
_CLASS = 12
"""Bytes of a row and class: logits, and what is computed of them at once."""
_COPIES = 5
"""Copies of latents that a strategy may make which reads them all together."""
_MAPS = 800
"""Bytes of feature maps, and of their gradients, that a network of 64 channels holds
for a byte of a picture in a step."""
_LEAST = 0.1
"""Share of the memory that has to be left for rows."""


class Room(NamedTuple):
    """What may be held.

    Attributes:
      column_bytes: the largest column of a readout that is held whole; those of up
        to `narrow` numbers a row always are.
      resident_bytes: features up to this size are copied to the devices.
      together: rows that a strategy may see which reads latents all together.
      bytes: bound of the whole.
      narrow: numbers of a row, as many as classes.
      reads: how often a refit of shards reads the pool: for the fit, and again for the
        scale of what it finds, where latents are not held.
    """

    column_bytes: int
    resident_bytes: int
    together: int
    bytes: int
    narrow: int
    reads: int = 1


def room(
    gigabytes: float, rows: int, dims: int, num_classes: int, fixed: int = 0
) -> Room:
    """Share a bound out.

    Args:
      gigabytes: of the process, 10^9 bytes each; what the operating system keeps of
        mapped files is not counted.
      rows: n.
      dims: d.
      num_classes: c.
      fixed: bytes that are held whatever is done: see `held` and `of_steps`.

    Raises:
      UserError: the bound is too small for so many rows.
    """
    logits = 4 * rows * num_classes
    fixed += int(_PROCESS + rows * (_ROW + _CLASS * num_classes))
    free = gigabytes * GB - fixed
    if free < _LEAST * gigabytes * GB:
        least = math.ceil(10 * fixed / (1 - _LEAST) / GB) / 10
        remedy = f"{rows:,} rows of {num_classes} classes need {least:.1f} at least"
        raise UserError("--memory-gb", gigabytes, remedy)
    latents = 4 * dims
    together = int(free / (_COPIES * latents))
    wanted = fixed + min(free, _COPIES * latents * rows)
    columns = max(int(free / 4), logits)
    reads = 1 if latents * rows <= columns else 2
    return Room(columns, int(free / 8), together, int(wanted), num_classes, reads)


def held(arrays: Sequence[np.ndarray]) -> int:
    """Bytes that a data set's arrays take; those that are mapped from files: none."""
    return sum(array.nbytes for array in arrays if not _is_mapped(array))


def of_steps(picture_bytes: int, rows: int, width: int) -> int:
    """Bytes of a network of convolutions: its feature maps, and compiling it.

    Args:
      picture_bytes: of one picture.
      rows: pictures in a step.
      width: channels of the network's first stage.
    """
    return int(_CONVOLUTIONS) + _MAPS * picture_bytes * rows * width // 64


def _is_mapped(array: np.ndarray | None) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base
    return False


def together(
    room: Room,
    selector: Selector,
    view: PoolView,
    budget: int,
    generator: np.random.Generator,
) -> np.ndarray | None:
    """Rows of a pool, labeled ones and random candidates, that fit the memory.

    Scores are of rows one by one, and constructions read the best rows' latents: only
    a selector of another kind wants its columns whole.

    Args:
      room: what may be held.
      selector: chooses the rows.
      view: the pool.
      budget: rows to choose; as many candidates are among them.
      generator: draws the candidates.

    Returns:
      int [m], ascending, all where all fit; None: nobody reads them together, or they
      are held as arrays.
    """
    read = (view.columns[name] for name in selector.needs)
    streamed = any(isinstance(column, Streamed) for column in read)
    if selector in CONSTRUCTIONS.values() or not streamed:
        return None
    candidates, known = np.flatnonzero(view.candidates), np.flatnonzero(view.labeled)
    most = max(budget, room.together - len(known))
    if most < len(candidates):
        candidates = generator.choice(candidates, most, replace=False)
    return np.union1d(known, candidates)
