"""One pass over rows of numbers, block by block: checksum, moments, broken rows."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gmmal_jax.data.sources.arrays import Arrays

BLOCK_BYTES = 16 << 20
"""Of float64 numbers that are held at once."""


LARGEST = float(np.finfo(np.float32).max)


class Scan(NamedTuple):
    """What a pass found.

    Attributes:
      digest: sha256 of the rows' bytes, in hexadecimal.
      mean: [d], of the sound rows.
      std: [d], likewise; 1 where a feature says nothing.
      broken: rows that hold what is no number in float32, ascending.
    """

    digest: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    broken: tuple[int, ...]


class Found(NamedTuple):
    """A data set whose rows are mapped, not held.

    Attributes:
      arrays: rows and labels.
      mean: [d] of features, [ch] of pictures: of the sound training rows.
      std: likewise.
      checksum: of rows and labels.
      remember: JSON of what took a pass over the files, with their sizes and times.
    """

    arrays: Arrays
    mean: tuple[float, ...]
    std: tuple[float, ...]
    checksum: str
    remember: dict[str, Any]


def checksum(digests: Iterable[str], labels: Iterable[np.ndarray]) -> str:
    """Of both parts' rows, whose own are known, and of their labels."""
    digest = hashlib.sha256("".join(digests).encode())
    for each in labels:
        digest.update(np.ascontiguousarray(each).data)
    return digest.hexdigest()


Pass = TypeVar("Pass")


def once(
    path: Path,
    part: str,
    remembered: Mapping[str, Any] | None,
    kind: Callable[..., Pass],
    look: Callable[[], Pass],
) -> tuple[Pass, dict[str, Any]]:
    """What one pass over a file finds, or found when the file was as it is now.

    Args:
      path: of the file.
      part: what it holds, its name in what is remembered.
      remembered: the second results of all parts, of an earlier start; None: nothing.
      kind: a NamedTuple of texts and tuples of numbers, which is what is found.
      look: goes over it.

    Returns:
      What is found, and JSON to remember it by.
    """
    status = path.stat()
    # One whose times are as coarse as a second could change unseen within one.
    file = {"bytes": status.st_size, "modified_ns": status.st_mtime_ns}
    before = dict((remembered or {}).get(part) or {})
    if before.pop("file", None) == file:
        fields = {k: v if isinstance(v, str) else tuple(v) for k, v in before.items()}
        found = kind(**fields)
    else:
        found = look()
    as_tuple: Any = found
    return found, {part: {"file": file} | as_tuple._asdict()}


def blocks(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, some rows): all of them, in blocks whose size d alone decides."""
    size = max(1, BLOCK_BYTES // (8 * rows.shape[1]))
    for start in range(0, len(rows), size):
        yield start, rows[start : start + size]


def scan(rows: np.ndarray) -> Scan:
    """Read rows [n, d] once; those of a memory map are never held all at once.

    Means and sums of squares are those of blocks, joined (Chan et al., 1979).
    """
    digest = hashlib.sha256()
    broken: list[int] = []
    count, mean, squares = 0, np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for start, block in blocks(rows):
        digest.update(np.ascontiguousarray(block).data)
        wide = np.asarray(block, np.float64)
        sound = (np.abs(wide) <= LARGEST).all(axis=1)  # false for NaN
        if not sound.all():
            broken += (start + np.flatnonzero(~sound)).tolist()
            wide = wide[sound]
        if not len(wide):
            continue
        own = wide.mean(axis=0)
        total, gap = count + len(wide), own - mean
        squares += ((wide - own) ** 2).sum(axis=0)
        squares += gap**2 * (count * len(wide) / total)
        mean += gap * (len(wide) / total)
        count = total
    std = np.sqrt(squares / max(count, 1))
    # What is as small as a rounding of the numbers themselves is no spread.
    says = std > np.finfo(np.float32).eps * np.abs(mean)
    std = np.where(says, std, 1.0)
    return Scan(
        digest.hexdigest(), tuple(mean.tolist()), tuple(std.tolist()), tuple(broken)
    )
