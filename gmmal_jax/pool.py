"""The pool: which rows are labeled, since when, with what; a host record."""

import hashlib
from typing import NamedTuple

import numpy as np


class Pool(NamedTuple):
    """All rows that could be labeled; the rows never change, only what is known.

    Attributes:
      ids: uint32 [n], rows of the source, stable over runs and methods.
      since: int32 [n], the cycle that first trains with the row's label, -1 before.
      labels: int32 [n], -1 where no label was bought.
    """

    ids: np.ndarray
    since: np.ndarray
    labels: np.ndarray

    @property
    def labeled(self) -> np.ndarray:
        """Bool [n]."""
        return self.since >= 0

    def take(self, rows: np.ndarray) -> "Pool":
        """Some of the rows, int [m]."""
        return Pool(self.ids[rows], self.since[rows], self.labels[rows])


def make(ids: np.ndarray) -> Pool:
    """A pool without labels."""
    unknown = np.full(len(ids), -1, np.int32)
    return Pool(ids.astype(np.uint32), unknown, unknown.copy())


def label(pool: Pool, indices: np.ndarray, labels: np.ndarray, cycle: int) -> Pool:
    """The pool after an answer of the oracle.

    Args:
      pool: before.
      indices: int [b], distinct unlabeled rows.
      labels: int [b], their classes.
      cycle: the first cycle that trains with them.

    Raises:
      ValueError: a row is labeled already or named twice.
    """
    if len(np.unique(indices)) != len(indices) or pool.labeled[indices].any():
        raise ValueError("rows to label must be distinct and unlabeled")
    since, known = pool.since.copy(), pool.labels.copy()
    since[indices], known[indices] = cycle, labels
    return pool._replace(since=since, labels=known)


def digest(pool: Pool) -> str:
    """SHA-256 of what a cycle's training knows of a pool, in hexadecimal.

    Equal where the same rows have been labeled since the same cycles, with the same
    labels.
    """
    known = (np.ascontiguousarray(part, "<i4") for part in (pool.since, pool.labels))
    return hashlib.sha256(b"".join(part.tobytes() for part in known)).hexdigest()


def draw_candidates(
    generator: np.random.Generator, pool: Pool, size: int | None
) -> np.ndarray:
    """Mask of the rows that may be asked this cycle: bool [n].

    Args:
      generator: of this cycle.
      pool: what is labeled now.
      size: at most so many random rows of the unlabeled ones; None: all.
    """
    unlabeled = np.flatnonzero(~pool.labeled)
    if size is not None and size < len(unlabeled):
        unlabeled = generator.choice(unlabeled, size, replace=False)
    mask = np.zeros(len(pool.ids), bool)
    mask[unlabeled] = True
    return mask
