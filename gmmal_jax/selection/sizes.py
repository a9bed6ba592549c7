"""Sizes to compile for, where how much there is to do is a value."""

_STEP = 4
"""From one size to the next."""


def sizes(least: int, most: int) -> tuple[int, ...]:
    """Sizes from about `least` to `most`, ascending, each a few times the one before.

    What fits none pays for the next larger one.

    Args:
      least: the first size is above it and at most a few times as large, unless `most`
        is smaller.
      most: the last size.
    """
    found = [most]
    while found[0] > _STEP * least:
        found.insert(0, -(-found[0] // _STEP))
    return tuple(found)
