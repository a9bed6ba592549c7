"""Some seeds of a run that another process holds; see `cli.seeds`.

    python -m gmmal_jax.cli.seed_worker FOLDER SEED ...

Prints JSON, a line for each thing that a reporter is told.
"""

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any


def main(folder: str, seeds: list[int]) -> int:
    """Run them; the exit code."""
    core = os.environ.get("GMMAL_CORE")
    if core is not None:
        os.sched_setaffinity(0, {int(core)})  # before JAX counts its threads
    threading.Thread(target=_end_with_the_other, daemon=True).start()
    from gmmal_jax import loop, opening, switches
    from gmmal_jax.cli import signals
    from gmmal_jax.cli.run import use_cache
    from gmmal_jax.errors import Interrupted, TrainingDiverged, UserError

    out = sys.stdout
    sys.stdout = sys.stderr
    use_cache()
    try:
        with switches.pinned(), signals.noted(quiet=True) as stop:
            run = opening.reopen(Path(folder)).run
            own = {seed: run.splits[seed] for seed in seeds}
            loop.execute(run._replace(splits=own), Lines(out, seeds), stop)
    except Interrupted as interrupted:
        return 128 + interrupted.signum
    except (UserError, TrainingDiverged) as error:
        print(f"gmmal: seeds {', '.join(map(str, seeds))}: {error}", file=sys.stderr)
        return 2 if isinstance(error, UserError) else 1
    return 0


def _end_with_the_other() -> None:
    sys.stdin.read()
    os._exit(1)


class Lines:
    """A reporter that prints JSON.

    Args:
      out: where to.
      seeds: whose rows are told.
    """

    def __init__(self, out: Any, seeds: list[int]) -> None:
        self.out, self.seeds = out, seeds

    def note(self, text: str) -> None:
        """One line of news."""
        self._say("note", text)

    def progress(self, arm: str, seed: int, cycle: int, chunk: Any) -> None:
        """A chunk of steps is done."""
        self._say("progress", arm, seed, cycle, list(chunk))

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""
        self._say("stage", arm, seed, cycle, name)

    def row(self, arm: str, record: Any) -> None:
        """A cycle is done and recorded."""
        if record.seed in self.seeds:
            self._say("row", arm, list(record))

    def _say(self, kind: str, *fields: Any) -> None:
        print(json.dumps({"kind": kind, "fields": fields}), file=self.out, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], list(map(int, sys.argv[2:]))))
