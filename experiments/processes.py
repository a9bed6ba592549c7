"""Processes on one core each, so that bits repeat."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def pin(core: int) -> None:
    """Bind this process to a core; to be called before JAX is imported.

    JAX counts its threads then. Programs that compile quickly are kept, too.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    import jax

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def run(module: str, arguments: Sequence[str], log: Path, compiled: Path) -> None:
    """Run `python -m module` and wait for it.

    Args:
      module: that pins itself.
      arguments: of its command line.
      log: what it prints.
      compiled: the folder of compiled programs.

    Raises:
      RuntimeError: it failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
    }
    command = [sys.executable, "-m", module, *arguments]
    with log.open("w") as file:
        ended = subprocess.run(command, stdout=file, stderr=file, env=environment)
    if ended.returncode:
        raise RuntimeError(f"{module}: see {log}")
