"""Sizes to compile for, where how much there is to do is a value."""

import math

_STEP = 4
"""From one size to the next."""


def sizes(least: int, most: int, number: int | None = None) -> tuple[int, ...]:
    """Sizes from about `least` to `most`, ascending, each a few times the one before.

    What fits none pays for the next larger one.

    Args:
      least: the first size is above it and at most a few times as large, unless `most`
        is smaller.
      most: the last size.
      number: of sizes at most, at least 2, farther apart where that takes them; None:
        as many as there are. Each takes time and memory to compile.
    """
    step: float = _STEP
    if number is not None:
        step = max(step, (most / (_STEP * least)) ** (1 / (number - 1)))
    found = [most]
    while found[0] > _STEP * least and len(found) != number:
        found.insert(0, math.ceil(found[0] / step))
    return tuple(found)
