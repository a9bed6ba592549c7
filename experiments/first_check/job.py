"""One job in a process of its own, on one core: `job JOB WORK CORE`."""

import json
import sys
from pathlib import Path

from experiments import processes


def main(job: str, work: str, core: str) -> None:
    """Run the job that the JSON text says."""
    processes.pin(int(core))

    from experiments.first_check.work import do
    from experiments.jobs import Job

    do(Job(*json.loads(job)), Path(work))


if __name__ == "__main__":
    main(*sys.argv[1:])
