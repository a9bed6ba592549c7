"""What the processes that tests start are told.

Never the tests' own devices and flags. Compiled programs are kept for children of one
device only: XLA's CPU backend dies of those for several devices that another process
left in a cache.
"""

import os

_OWN = ("JAX_PLATFORMS", "XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")


def environment(*without: str, cache: str | None = "children", **more: str):
    """The environment that the tests were started from, and what is added to it.

    Args:
      without: names of variables that are left out.
      cache: folder of compiled programs, beside the tests' own; children that share
        one must use one device. None: no such variable.
      more: variables of the child.
    """
    left_out = {*_OWN, *without}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    if cache is not None:
        tests_own = os.environ["JAX_COMPILATION_CACHE_DIR"]
        kept["JAX_COMPILATION_CACHE_DIR"] = f"{tests_own}-{cache}"
    return kept | more
