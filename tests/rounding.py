"""How far float32 may be from the truth: derived, not tuned on one machine."""

import jax
import numpy as np

HALF_ULP = 2.0**-24
"""Rounding to float32 moves a number by at most this share of itself."""

SAFETY = 4.0
"""How much more is granted than the widest of `DRAWS` random roundings moves.

A random rounding moves a result by the sum of very many small pushes of random sign,
so about by a normal variable, and float32 does too. One normal variable is beyond
four times the largest of eight others with probability 5e-5; the pushes of a draw are
at the same time the largest that float32 may give (half a unit, never less). Where the
size of the pushes is known, four is four standard deviations and more."""

DRAWS = 8


def sums_of(num_terms):
    """How far float32 may be from a sum, as a share of its terms without their signs.

    So many roundings, each of half a unit in the last place and of random sign.
    """
    return SAFETY * HALF_ULP * np.sqrt(num_terms)


def exactly(values, scale=None, roundings=1):
    """The rounding of a float64 fit: none."""
    return values


class Rounding:
    """Rounds as float32 does, but with random signs: a right result among its peers."""

    def __init__(self, seed):
        # Not default_rng: how a draw rounds has nothing to do with rounded inputs.
        self._rng = np.random.Generator(np.random.PCG64(seed))

    def __call__(self, values, scale=None, roundings=1):
        """Move each value.

        Args:
          values: any shape.
          scale: size of what is rounded on the way; None: that of the values.
          roundings: how many errors add up, with random signs: as their root.
        """
        scale = np.abs(values) if scale is None else scale
        signs = self._rng.choice((-1.0, 1.0), np.shape(values))
        return values + HALF_ULP * np.sqrt(roundings) * signs * scale

    def tree(self, values, roundings=1):
        """Move the float leaves of a tree, as float32."""

        def move(leaf):
            leaf = np.asarray(leaf)
            if leaf.dtype != np.float32:
                return leaf
            # In float64, and by whole units: half of one may round back.
            moved = self(np.float64(leaf), roundings=max(roundings, 4))
            return np.asarray(moved, np.float32)

        return jax.tree.map(move, values)


def distance(one, other):
    """Of two arrays, relative to the second, by their norms."""
    one, other = (np.float64(x) for x in (one, other))
    return np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-30)
