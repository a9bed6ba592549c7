"""How the cost of EM grows: rows, components, iterations, dimensions, shards.

    python benchmarks/scaling.py [--json FILE] [--check]

One size is varied at a time about 10,000 rows of 256 dimensions, 20 components and 4
iterations. By operations, 8 n k d an iteration, each slope of log(cost) over
log(size) is 1. On a CPU in a child on one core, in CPU seconds.
"""

import argparse
import json
import sys
from collections.abc import Callable

import harness
import numpy as np
from harness import Row, Table

BASE = {"rows": 10_000, "components": 20, "iterations": 4, "dimensions": 256}
SIZES = {
    "rows": (2_500, 5_000, 10_000, 20_000, 40_000),
    "components": (10, 20, 40, 80, 160),
    "iterations": (2, 4, 8, 16),
    "dimensions": (64, 128, 256, 512, 1024),
    "shards": (5, 10, 20, 40),
}
SHARD_ROWS = 1000
LINEAR = 0.15


def options(parser: argparse.ArgumentParser) -> None:
    """How the script runs itself."""
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)


def measure(arguments: argparse.Namespace) -> list[Table]:
    """A row of costs and slopes for each size that is varied."""
    costs = harness.on_one_core(__file__, "--child") if _on_cpu() else _costs()
    rows: list[Row] = []
    for varied, seconds in costs.items():
        sizes = SIZES[varied]
        local = np.diff(np.log(seconds)) / np.diff(np.log(sizes))
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        rows.append(
            {
                "varied": varied,
                "sizes": " ".join(f"{size:,}" for size in sizes),
                "cost, smallest = 1": " ".join(
                    f"{s / seconds[0]:.3g}" for s in seconds
                ),
                "slope": slope,
                "between neighbours": " ".join(f"{value:.2f}" for value in local),
                "verdict": verdict(slope),
            }
        )
    note = (
        "8 n k d operations an iteration mean slopes of 1. Below: the fixed costs of a "
        "pass over the rows (reading, squaring and centring them, exponentials) and "
        "half-filled matrix kernels, which weigh most where the size is small. Above: "
        "rows that leave the cache. A verdict of linear is a slope within 0.15 of 1."
    )
    return [Table("Growth of EM's cost", rows, note=note)]


def verdict(slope: float) -> str:
    """What a slope says of O(n k i d)."""
    if abs(slope - 1) <= LINEAR:
        return "linear"
    return "less than linear" if slope < 1 else "more than linear"


def _on_cpu() -> bool:
    import jax

    return jax.default_backend() == "cpu"


def _costs() -> dict[str, list[float]]:
    """Varied size -> seconds at each of its values."""
    found = {}
    for varied, sizes in SIZES.items():
        calls = {}
        for size in sizes:
            if varied == "shards":
                calls[str(size)] = _shards(size)
            else:
                calls[str(size)] = _whole(**(BASE | {varied: size}))
        samples = harness.interleaved(calls, rounds=3)
        clock = "cpu" if _on_cpu() else "wall"
        found[varied] = [getattr(samples[str(size)], clock) for size in sizes]
    return found


def _data(num_rows: int, dimensions: int, components: int) -> tuple:
    import jax.numpy as jnp

    from gmmal_jax.types import Mixture

    generator = np.random.default_rng(0)
    rows = generator.standard_normal((num_rows, dimensions), np.float32)
    means = generator.standard_normal((components, dimensions), np.float32)
    rows = np.maximum(rows + means[np.arange(num_rows) % components], 0)
    weights = jnp.full(components, 1 / components)
    start = Mixture(weights, jnp.asarray(rows[:components]), jnp.ones(means.shape))
    return jnp.asarray(rows), start


def _whole(rows: int, components: int, iterations: int, dimensions: int) -> Callable:
    import jax
    import jax.numpy as jnp

    from gmmal_jax.mixtures import em

    latents, start = _data(rows, dimensions, components)
    mask = jnp.ones(rows, bool)
    return lambda: jax.block_until_ready(
        em.fit(latents, mask, start, num_iters=iterations)[0]
    )


def _shards(num_shards: int) -> Callable:
    import jax
    import jax.numpy as jnp

    from gmmal_jax.mixtures import em

    shape = (num_shards, SHARD_ROWS)
    latents, start = _data(
        num_shards * SHARD_ROWS, BASE["dimensions"], BASE["components"]
    )
    latents, mask = latents.reshape(*shape, -1), jnp.ones(shape, bool)
    return lambda: jax.block_until_ready(
        em.fit_shards(latents, mask, start, num_iters=BASE["iterations"])[0]
    )


if __name__ == "__main__":
    if "--child" in sys.argv:
        print(json.dumps(_costs()))
        sys.exit()
    sys.exit(harness.main(__doc__, measure, options))
