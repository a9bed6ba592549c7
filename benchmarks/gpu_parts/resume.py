"""Is a run that was killed with -9 and resumed byte-identical, on this device?

Each run is a process of its own, with XLA's deterministic operations; the killed one
kills itself after a chunk of stage 2. Called again as `resume.py FOLDER DATA KILL`.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve()
KILL_AFTER = 5
"""Chunks: two of stage 1, then the third of stage 2, between two refits."""
_FLAG = "--xla_gpu_deterministic_ops=true"


def measure(context: Any) -> Any:
    """A straight run and a killed one, compared."""
    from table_differences import VIEWS

    from gpu_parts.base import Found

    data = context.work / "resume.npz"
    _images(data)
    size = context.size.name
    whole, killed = context.work / "whole", context.work / "killed"
    _process(whole, data, size, 0)
    code = _process(killed, data, size, KILL_AFTER)
    _process(killed, data, size, 0)
    pairs = [(whole / name, killed / name) for name in VIEWS]
    differ = [a.name for a, b in pairs if a.read_bytes() != b.read_bytes()]
    failures = [f"{name} differs after kill and resume" for name in differ]
    if code != -signal.SIGKILL:
        failures.append(f"the run that was to be killed ended with code {code}")
    headline = "byte-identical" if not failures else f"{len(failures)} differences"
    results = {"views": list(VIEWS), "differ": differ, "flags": _FLAG}
    return Found(f"killed and resumed: {headline}", results, failures=tuple(failures))


def _images(path: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {}
    for part, num in (("train", 300), ("test", 100)):
        arrays[f"y_{part}"] = labels = np.arange(num) % 10
        noise = generator.integers(0, 80, (num, 8, 8, 3))
        arrays[f"x_{part}"] = (noise + 17 * labels[:, None, None, None]).astype(
            np.uint8
        )
    np.savez(path, **arrays)


def _process(folder: Path, data: Path, size: str, kill: int) -> int:
    flags = f"{os.environ.get('XLA_FLAGS', '')} {_FLAG}".strip()
    command = [sys.executable, str(HERE), str(folder), str(data), size, str(kill)]
    own = {
        "XLA_FLAGS": flags,
        "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run(
        command,
        env=os.environ | own,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"{folder.name}: {done.stderr[-2000:]}")
    return done.returncode


def child(folder: Path, data: Path, size: str, kill: int) -> None:
    """Run, and die after so many chunks; 0: run to the end."""
    import gmmal_jax
    from gmmal_jax import loop

    class Dying(loop.Silent):
        """Counts chunks."""

        seen = 0

        def progress(self, *_: Any) -> None:
            """Die as by the kernel's hand."""
            self.seen += 1
            if self.seen == kill:
                os.kill(os.getpid(), signal.SIGKILL)

    small = {"model": "gpu_parts.toy:network"} if size == "dry" else {"model": "small"}
    changes = small | {
        "dataset": f"npz:{data}", "width": 8, "cycles": 2, "initial": 30, "budget": 20,
        "reference": "none", "data.pad": 1, "train.steps": 20, "train.chunk_steps": 10,
        "train.batch_size": 20, "reg.subset_size": 50, "da.steps": 40,
        "da.refit_every": 20, "da.batch_size": 20, "da.hidden": (16,),
        "gmm.shard_size": 150, "query": "entropy", "checkpoint.every_seconds": 0,
    }  # fmt: skip
    config = gmmal_jax.replace(gmmal_jax.Config(), **changes)
    gmmal_jax.run(config, folder, Dying(), num_devices=1)


if __name__ == "__main__":
    sys.path[:1] = [str(HERE.parents[1]), str(HERE.parents[2])]
    child(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
