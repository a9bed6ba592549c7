"""Random numbers by address: nothing is consumed, so nothing has to be saved.

Every random number of a run is a function of the seed, a named stream and an address
in it (cycle, phase, step, ...). No stream depends on the method, so with one seed all
methods share split, initial labels, initial weights, data order and augmentation, and
a resumed run redraws what the killed one drew.
"""

import jax
import numpy as np

from gmmal_jax.types import Key

STREAMS = {
    "split": 0,
    "initial": 1,
    "network": 2,
    "order": 3,
    "augmentation": 4,
    "stage2": 5,
    "query": 6,
}
"""Stream names and the numbers that stand for them; recorded with every run."""


def key(seed: int, stream: str, *address: int) -> Key:
    """The JAX key at an address.

    Args:
      seed: the run's seed, >= 0.
      stream: a name of `STREAMS`.
      *address: integers >= 0, such as cycle, phase.
    """
    result = jax.random.key(seed, impl="threefry2x32")
    for part in (STREAMS[stream], *address):
        result = jax.random.fold_in(result, part)
    return result


def rng(seed: int, stream: str, *address: int) -> np.random.Generator:
    """The NumPy generator at an address, for what the host draws (arguments: `key`)."""
    # spawn_key, because SeedSequence([1, 2]) and SeedSequence([1, 2, 0]) are equal.
    spawn_key = (STREAMS[stream], *address)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))
