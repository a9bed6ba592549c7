"""Arrays in a file that is whole or not there; equal arrays give equal bytes."""

import io
import zipfile
from pathlib import Path

import numpy as np

from gmmal_jax.errors import reason
from gmmal_jax.storage import files


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Save numeric arrays by name, atomically.

    Raises:
      ValueError: an array of objects.
      OSError: with the file's name.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            # A ZipInfo made from a name alone carries a fixed date, not today's.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as file:
                array = np.asarray(arrays[name])
                np.lib.format.write_array(file, array, allow_pickle=False)
    files.write_atomic(path, buffer.getvalue())


def read(path: Path) -> dict[str, np.ndarray]:
    """What `write` has written.

    Raises:
      ValueError: the file is missing or damaged; why, in one line.
    """
    try:
        # Opened here: NumPy leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # of many kinds: it can be read as another format, too
        raise ValueError(reason(error)) from None
