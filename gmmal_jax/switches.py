"""JAX's global switches: whatever a process has set, results are the same.

What computes is written for float32, JAX's usual promotion and generator, and products
in the precision that it asks for itself. `pinned` says so around every way in: for a
caller's own code, and in threads, nothing changes.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import jax

from gmmal_jax.errors import UserError


@contextmanager
def pinned(*, double: bool = False) -> Iterator[None]:
    """Compute as this package does, until the block ends.

    Args:
      double: what is float64 stays so.
    """
    with ExitStack() as stack:
        for setting in (
            jax.enable_x64(double),
            jax.numpy_dtype_promotion("standard"),
            jax.default_matmul_precision(None),
            jax.default_prng_impl("threefry2x32"),
            jax.threefry_partitionable(True),
        ):
            stack.enter_context(setting)
        yield


def require_jit() -> None:
    """Refuse to train without compilation.

    Raises:
      UserError: `jax_disable_jit` is on.
    """
    if getattr(jax.config, "jax_disable_jit"):  # noqa: B009  (made at run time)
        remedy = "a run needs its programs compiled: unset it"
        raise UserError("JAX_DISABLE_JIT", True, remedy)
