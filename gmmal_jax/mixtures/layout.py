"""How work on many rows is cut up for the platform at hand.

A CPU is fast while a block of rows and its squares stay in the cache; an accelerator
wants as much at once as its memory takes.
"""

from gmmal_jax import devices

_CACHED_FLOATS = 2**20
"""Up to this size (4 MiB) rows and squares of a fit stay in a CPU's cache whole."""
_BLOCK_FLOATS = 2**19
"""Size of a block of rows where they do not."""
_ACCELERATOR_FLOATS = 2**27
"""Size of a block on an accelerator: half a GiB, and as much for its squares."""
_FEWEST_ROWS = 128
_RESIDENT_BYTES = 2**30
_CHUNK_BYTES = 2**26
"""What is moved at once: much more than a block, much less than a memory."""


def block_rows(num_rows: int, width: int) -> int:
    """Rows that are worked on at once.

    Args:
      num_rows: rows of a fit.
      width: floats that a row needs.

    Returns:
      All of them, or as many as fit.
    """
    cpu = devices.on_cpu()
    if num_rows * width <= (_CACHED_FLOATS if cpu else _ACCELERATOR_FLOATS):
        return num_rows
    size = (_BLOCK_FLOATS if cpu else _ACCELERATOR_FLOATS) // width
    return min(num_rows, max(_FEWEST_ROWS, size))


def group_size(num_shards: int, num_rows: int, width: int) -> int:
    """Shards that are fitted side by side: one on a CPU, elsewhere what memory takes.

    One at a time, a CPU runs all iterations of a shard out of its cache.

    Args:
      num_shards: in all.
      num_rows: of a shard.
      width: floats that a fit keeps of a row.
    """
    if devices.on_cpu():
        return 1
    most = max(1, resident_bytes() // (4 * num_rows * width))
    groups = -(-num_shards // most)
    return -(-num_shards // groups)  # groups of one size, or nearly


def resident_bytes() -> int:
    """Largest array that one device holds beside what else is there."""
    if devices.on_cpu():
        return _RESIDENT_BYTES
    return (devices.memory_bytes() or 4 * _RESIDENT_BYTES) // 4


def chunk_rows(dims: int) -> int:
    """Rows of d floats that are moved to the device at once."""
    return max(1, _CHUNK_BYTES // (4 * dims))


def shard_size(num_components: int) -> int:
    """Rows a shard needs for a fit of its own."""
    return max(1000, 50 * num_components)
