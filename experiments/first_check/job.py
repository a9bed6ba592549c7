"""One job in a process of its own, on one core: `job JOB WORK CORE`."""

import json
import os
import sys
from pathlib import Path


def main(job: str, work: str, core: str) -> None:
    """Run the job that the JSON text says."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})  # before JAX counts its threads
    import jax

    from experiments.first_check.work import Job, do

    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    do(Job(*json.loads(job)), Path(work))


if __name__ == "__main__":
    main(*sys.argv[1:])
