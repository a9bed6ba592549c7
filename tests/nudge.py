"""Draws as another processor might have rounded them: a unit in the last place off."""

import numpy as np

FLOATS = (
    "random", "uniform", "normal", "standard_normal", "gamma", "exponential",
    "dirichlet",
)  # fmt: skip
"""What NumPy's generator draws that is rounded; integers and permutations are not."""

_PLAIN = np.random.default_rng


def moved(values, rng):
    """Each value left, or moved to the next of float32 below or above, in float64.

    Args:
      values: draws, [...] or a scalar.
      rng: decides which way.
    """
    exact = np.asarray(values, np.float64)
    single = exact.astype(np.float32)
    way = rng.integers(-1, 2, exact.shape)
    target = np.where(way < 0, -np.inf, np.inf).astype(np.float32)
    step = np.nextafter(single, target) - single
    nudged = np.where(way == 0, exact, exact + step)
    return nudged.astype(getattr(values, "dtype", np.float64))[()]


def install(seed):
    """Let `np.random.default_rng` return generators whose float draws are nudged.

    The nudges of an earlier call are forgotten.
    """

    class Nudged(np.random.Generator):
        """A generator; the same draws for the same seed and the same nudge."""

        def __init__(self, bit_generator):
            super().__init__(bit_generator)
            self._nudges = _PLAIN(seed)

    def nudged(name):
        draw = getattr(np.random.Generator, name)

        def method(self, *args, **kwargs):
            return moved(draw(self, *args, **kwargs), self._nudges)

        return method

    for name in FLOATS:
        setattr(Nudged, name, nudged(name))

    def default_rng(seed=None):
        if isinstance(seed, np.random.Generator):
            return seed
        return Nudged(_PLAIN(seed).bit_generator)

    np.random.default_rng = default_rng
