"""The process that measures parts, one after the other; `worker.py JOB`, a JSON text.

On its standard output it tells which part begins and ends, and nothing else; what
libraries print goes to standard error.
"""

import datetime
import gc
import importlib
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve()
SHORTEST = 10.0
"""Seconds that must be left for another part to begin."""


class Job(NamedTuple):
    """What a worker is told: plain values, for JSON.

    Attributes:
      names: of the parts, in order.
      size: "full" or "dry".
      ends: `time.monotonic()` at which it is stopped.
      data: see `base.Context`.
      out: folder of the records.
      work: folder of what is not kept.
      peers: see `base.Context`.
    """

    names: list[str]
    size: str
    ends: float
    data: str | None
    out: str
    work: str
    peers: dict[str, str]


def run(job: Job) -> None:
    """Measure what the time allows."""
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _cache(Path(job.work))
    for name in job.names:
        if job.ends - time.monotonic() < SHORTEST:
            break
        print(f"begin {name}", file=events, flush=True)
        measure(job, name)
        print(f"end {name}", file=events, flush=True)


def _follow(parent: int) -> None:
    """End with the command, however it ended: nobody else would."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.killpg(0, signal.SIGKILL)


def _cache(work: Path) -> None:
    import jax

    jax.config.update("jax_compilation_cache_dir", str(work.resolve() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def measure(job: Job, name: str) -> None:
    """Write a part's record, whether it goes well or not."""
    from gpu_parts import records
    from gpu_parts.base import SIZES, Context

    work, began = Path(job.work) / name, time.monotonic()
    if name != "training":  # which goes on where it was
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    context = Context(
        SIZES[job.size],
        job.ends - SHORTEST,  # what goes on next time stops before it is stopped
        Path(job.data) if job.data else None,
        Path(job.out),
        work,
        job.peers,
    )
    try:
        module = importlib.import_module(f"gpu_parts.{records.PARTS[name].module}")
        body = _body(module.measure(context))
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        body = {"status": records.FAILED, "headline": reason[:500], "log": lines[-40:]}
    seconds = {"seconds": time.monotonic() - began}
    records.write(Path(job.out), name, body | seconds)
    gc.collect()  # buffers of this part are not the next one's


def _body(found: Any) -> dict[str, Any]:
    import jax

    from gpu_parts import records

    status = records.OK if found.finished else records.UNFINISHED
    return {
        "status": records.FAILED if found.failures else status,
        "headline": found.headline,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "date": datetime.date.today().isoformat(),
        "absent": list(found.absent),
        "failures": list(found.failures),
        "results": found.results,
    }


if __name__ == "__main__":
    # In place of the script's own folder, whose names are no top-level modules.
    sys.path[:1] = [str(HERE.parents[1]), str(HERE.parents[2])]
    run(Job(**json.loads(sys.argv[1])))
