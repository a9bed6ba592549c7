"""Rows of a data set by their index: one reader for training, readouts and refits."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Read = Callable[[Any], np.ndarray]
"""int [m] rows, or a slice of all rows -> host array [m, ...]."""
Place = Callable[[np.ndarray], Any]
"""int rows, [t, devices, b] for a chunk of steps or [m] for a readout -> device array
[*rows.shape, ...]."""


def _not_placed(rows: np.ndarray) -> Any:
    raise ValueError("these images are on no device: see `parallel.placed`")


@dataclasses.dataclass(frozen=True)
class Images:
    """Rows that are read when they are wanted; only a reader knows where they lie.

    (No NamedTuple: its length would be that of its fields.)

    Attributes:
      shape: (n, h, w, ch) of pictures, (n, d) of features.
      dtype: of the entries: uint8 of pictures, float16 or float32 of features.
      read: rows -> host array, fresh or a view that nobody writes to.
      place: the same rows on the devices, where `parallel.placed` has bound them.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Read
    place: Place = _not_placed

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Of all rows."""
        return math.prod(self.shape) * self.dtype.itemsize

    def take(self, rows: np.ndarray) -> "Images":
        """Some of the rows, int [m], as images of their own; nothing is read."""
        return Images(
            (len(rows), *self.shape[1:]),
            self.dtype,
            lambda wanted: self.read(rows[wanted]),
            lambda wanted: self.place(rows[wanted]),
        )


def from_array(array: np.ndarray) -> Images:
    """The rows of an array or a memory map, float64 and foreign byte orders narrowed.

    A row is converted when it is read: a memory map stays one.
    """
    wide = array.dtype.kind == "f" and array.dtype.itemsize > 4
    dtype = np.dtype(np.float32) if wide else array.dtype.newbyteorder("=")
    if dtype == array.dtype:
        return Images(array.shape, dtype, array.__getitem__)
    return Images(array.shape, dtype, lambda rows: array[rows].astype(dtype))
