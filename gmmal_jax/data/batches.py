"""Which rows each step of a chunk sees: index arrays made on the host.

All functions are pure: the generators they ask for are addressed by epoch or step, so
any chunk of any phase can be planned alone, in any order, after any restart.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RngOf = Callable[[int], np.random.Generator]
"""epoch or step -> its generator."""


class Rows(NamedTuple):
    """Rows for the steps of a chunk, padded to equal shares for all devices.

    Attributes:
      indices: int64 [t, devices, b].
      mask: bool [t, devices, b]; padding is false and comes last.
    """

    indices: np.ndarray
    mask: np.ndarray


class Epochs:
    """An endless stream of permutations of some rows.

    The last two permutations are kept: ten million rows take longer to shuffle than a
    chunk of steps to run.

    Args:
      members: int [m], rows to shuffle, m >= 1.
      rng_of_epoch: epoch -> generator.
    """

    def __init__(self, members: np.ndarray, rng_of_epoch: RngOf) -> None:
        self.members, self.rng_of_epoch = members, rng_of_epoch
        self._kept: dict[int, np.ndarray] = {}

    def rows(self, first_step: int, steps: int, batch: int) -> np.ndarray:
        """Rows of consecutive steps.

        No batch is partial: one that an epoch cannot fill goes on with the next
        epoch's permutation.

        Args:
          first_step: number of the first step in its phase.
          steps: t, steps to plan.
          batch: rows a step.

        Returns:
          int64 [t, batch].
        """
        num, parts = len(self.members), list[np.ndarray]()
        place, last = first_step * batch, (first_step + steps) * batch
        while place < last:
            epoch, start = divmod(place, num)
            parts.append(self._permutation(epoch)[start : start + last - place])
            place += len(parts[-1])
        return np.concatenate(parts).reshape(steps, batch).astype(np.int64)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch not in self._kept:
            for old in [known for known in self._kept if known < epoch - 1]:
                del self._kept[old]
            self._kept[epoch] = self.rng_of_epoch(epoch).permutation(self.members)
        return self._kept[epoch]


def balanced_rows(
    labels: np.ndarray,
    num_classes: int,
    rng_of_step: RngOf,
    first_step: int,
    steps: int,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Class-balanced subsets, one a step (X_s of section 3.3).

    Every class has size // num_classes seats. A class with enough rows is drawn
    without replacement, a smaller one as whole copies plus a random rest (each copy
    is augmented on its own), an absent one is masked.

    Args:
      labels: int [n], -1 where no label was bought.
      num_classes: c.
      rng_of_step: step -> generator.
      first_step: number of the first step in its phase.
      steps: t.
      size: rows of a subset.

    Returns:
      indices int64 [t, seats * c] and mask bool of the same shape.
    """
    seats = max(1, size // num_classes)
    members = [np.flatnonzero(labels == c) for c in range(num_classes)]
    indices = np.zeros((steps, num_classes, seats), np.int64)
    for t in range(steps):
        generator = rng_of_step(first_step + t)
        for c, rows in enumerate(members):
            if len(rows):
                indices[t, c] = _draw(generator, rows, seats)
    present = np.asarray([len(rows) > 0 for rows in members])
    mask = np.broadcast_to(present[None, :, None], indices.shape)
    return indices.reshape(steps, -1), mask.reshape(steps, -1)


def _draw(generator: np.random.Generator, rows: np.ndarray, seats: int) -> np.ndarray:
    copies, rest = divmod(seats, len(rows))
    drawn = generator.choice(rows, rest, replace=False)
    return np.concatenate([rows] * copies + [drawn])


def share(indices: np.ndarray, mask: np.ndarray, num_devices: int) -> Rows:
    """Pad [t, b] rows to a multiple of the devices and give each its share.

    Returns:
      Rows [t, devices, ceil(b / devices)]; the global order is kept, so position p of
      the batch is device p // share, place p % share.
    """
    steps, batch = indices.shape
    share = -(-batch // num_devices)
    padding = ((0, 0), (0, share * num_devices - batch))
    shape = (steps, num_devices, share)
    return Rows(
        np.pad(indices, padding).reshape(shape), np.pad(mask, padding).reshape(shape)
    )
