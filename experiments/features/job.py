"""Pieces one after another in a process of their own, on one core.

    job CORE FEATURES WORK RESULTS PIECES

A process takes seconds to start. What one piece leaves to the next is compiled
programs, and these are read from their folder otherwise: its rows are the same bits.
"""

import json
import sys
from pathlib import Path

from experiments import processes


def main(core: str, features: str, work: str, results: str, jobs: str) -> None:
    """Run the pieces that the JSON text lists."""
    processes.pin(int(core))

    from experiments.features.work import Places, do
    from experiments.jobs import Job

    places = Places(Path(features), Path(work), Path(results))
    for fields in json.loads(jobs):
        do(Job(*fields), places)


if __name__ == "__main__":
    main(*sys.argv[1:])
