"""Pieces one after another in a process of their own, on one core.

    job CORE FEATURES WORK RESULTS PIECES

A process takes seconds to start. One job leaves the next nothing but compiled
programs in their folder: its rows are the same bits as in a process of its own.
"""

import json
import sys
from pathlib import Path

from experiments import processes


def main(core: str, features: str, work: str, results: str, jobs: str) -> None:
    """Run the jobs that the JSON text lists."""
    processes.pin(int(core))

    import jax

    from experiments.features.work import Places, do
    from experiments.jobs import Job

    places = Places(Path(features), Path(work), Path(results))
    for fields in json.loads(jobs):
        do(Job(*fields), places)
        jax.clear_caches()  # or programs of all jobs would pile up


if __name__ == "__main__":
    main(*sys.argv[1:])
