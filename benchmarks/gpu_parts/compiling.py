"""Seconds until each program has run once: compiled, and loaded from a cache.

Each time is taken in a process of its own: `compiling.py SIZE CACHE` prints JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


def measure(context: Any) -> Any:
    """Cold, then with what the first process left in its cache."""
    from gpu_parts.base import Found

    with tempfile.TemporaryDirectory(dir=context.work) as cache:
        seconds = {
            name: _process(context.size.name, cache) for name in ("cold", "cached")
        }
    totals = {name: sum(found.values()) for name, found in seconds.items()}
    headline = f"cold {totals['cold']:.1f} s, cached {totals['cached']:.1f} s"
    return Found(f"first calls of all programs: {headline}", seconds)


def _process(size: str, cache: str) -> dict[str, float]:
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run(
        [sys.executable, str(HERE), size],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(size_name: str) -> dict[str, float]:
    """Seconds of the first call of each program of a run."""
    import jax
    import stages
    import worlds

    from gpu_parts import steps
    from gpu_parts.base import SIZES

    size, found = SIZES[size_name], {}

    def first(name: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = jax.block_until_ready(call())
        found[name] = time.perf_counter() - began
        return result

    world = first("trace of the network", lambda: steps.world_of(size, "float32"))
    first("supervised", lambda: steps.ours(size, steps.SUPERVISED, "float32").call())
    first("alternating", lambda: steps.ours(size, steps.ALIGNMENT, "float32").call())
    state = first("init", lambda: world.trainer.init(jax.random.key(0), None))
    readout = world.method.learner.readout
    columns = first(
        "readout", lambda: world.trainer.embed(readout, state, world.images)
    )
    pool = worlds.pool(world, size.scale.labeled)
    for name, stage in stages.refit_calls(world, pool, columns["latents"]).items():
        first(name, stage)
    return found


if __name__ == "__main__":
    sys.path[:1] = [str(HERE.parents[1]), str(HERE.parents[2])]
    print(json.dumps(child(sys.argv[1])))
