"""Settings of class sizes: which rows of a pool stay, which may be labeled at first.

Pure functions of labels and a generator.
"""

from typing import Literal

import numpy as np

Minor = Literal["even", "first_half", "second_half"]


def capped(counts: np.ndarray, cap: int | None) -> np.ndarray:
    """Rows that each class keeps under a common cap: int [c]."""
    return counts if cap is None else np.minimum(counts, cap)


def imbalanced(counts: np.ndarray, ratio: int, minor: Minor = "even") -> np.ndarray:
    """Rows that each class keeps when half of them keep one of `ratio`.

    Args:
      counts: int [c].
      ratio: major to minor; a minor class keeps floor(count / ratio) rows.
      minor: which half: even class numbers, the first or the second half.

    Returns:
      int [c].

    Source: section 4.2; which half is minor is not said there, even as in CoreGCN.
    """
    classes = np.arange(len(counts))
    halves = {
        "even": classes % 2 == 0,
        "first_half": classes < len(counts) // 2,
        "second_half": classes >= len(counts) // 2,
    }
    return np.where(halves[minor], counts // ratio, counts)


def long_tailed(counts: np.ndarray, ratio: int) -> np.ndarray:
    """Rows that each class keeps of a pool whose sizes fall exponentially.

    Class i of c keeps floor(n ratio^(-i / (c - 1))) rows, n being the largest class's,
    or all it has.

    Args:
      counts: int [c].
      ratio: of the first class to the last.

    Returns:
      int [c].

    Source: Cui et al., 2019, which the appendix quotes; taken literally its formula
    n 0.1^i leaves a tenth of a tenth of each class, nothing from the fifth on.
    """
    tail = tail_sizes(int(counts.max()), len(counts), ratio)
    return np.asarray(np.minimum(counts, tail))


def tail_sizes(largest: int, num_classes: int, ratio: int) -> np.ndarray:
    """floor(largest * ratio^(-i / (c - 1))) for i from 0 to c - 1, int64 [c].

    In integers: floating point makes 499 of 500.
    """
    steps = max(num_classes - 1, 1)

    def fits(size: int, place: int) -> bool:
        return bool(size**steps * ratio**place <= largest**steps)

    sizes = []
    for place in range(num_classes):
        size = round(largest * ratio ** (-place / steps))
        sizes.append(size if fits(size, place) else size - 1)
    return np.asarray(sizes)


def keep(
    generator: np.random.Generator, labels: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Positions of a random choice of `sizes[k]` rows of each class k, ascending.

    Args:
      generator: draws which rows stay, class by class where some must go.
      labels: int [n].
      sizes: int [c], at most as many as there are.

    Returns:
      int64 [sum of sizes].
    """
    kept = []
    for label, size in enumerate(sizes):
        members = np.flatnonzero(labels == label)
        if size < len(members):
            members = generator.permutation(members)[:size]
        kept.append(members)
    return np.sort(np.concatenate(kept))


def known_classes(num_classes: int) -> int:
    """Classes of the first labels under category mismatch: 70 % of them, rounded up.

    Source: the appendix's category mismatch.
    """
    return -(-7 * num_classes // 10)
