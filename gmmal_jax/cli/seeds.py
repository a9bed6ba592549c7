"""Seeds side by side: processes of one device or core each, on one run's folder.

The process that was started holds the folder, shows what happens and computes nothing;
each other one runs its seeds as if they were all. What they find does not depend on how
many there are: a core's bits are a core's bits.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmmal_jax.cli import cluster, parser
from gmmal_jax.cli.parser import Given, Option
from gmmal_jax.errors import Interrupted, SeedsFailed, UserError

if TYPE_CHECKING:
    from gmmal_jax.bind import Run

OPTION = Option(
    "parallel-seeds", "INT", "Run so many seeds side by side: on CPUs a core each, "
    "else a device each.", "several processes",
)  # fmt: skip
_MODULE = "gmmal_jax.cli.seed_worker"
_POLL_SECONDS = 0.2


def wanted(given: Given) -> int:
    """How many seeds at once; 0: one after the other, in this process.

    Raises:
      UserError: an impossible number; several processes for a seed, too.
    """
    number = parser.number(given, OPTION.name, 1)
    if number is not None and cluster.wanted(given):
        raise UserError(f"--{OPTION.name}", number, "not together with --distributed")
    return number or 0


def places(number: int) -> list[dict[str, str]]:
    """What sets the processes apart, variables of each; this one is held to one core.

    So its record says what the seeds' bits depend on.

    Raises:
      UserError: there are fewer cores or devices.
    """
    import jax

    if jax.default_backend() != "cpu":
        there = [str(device.local_hardware_id) for device in jax.local_devices()]
        name = "CUDA_VISIBLE_DEVICES"
    else:
        there, name = list(map(str, sorted(os.sched_getaffinity(0)))), "GMMAL_CORE"
    if number > len(there):
        what = "cores" if name == "GMMAL_CORE" else "devices"
        remedy = f"this machine has {len(there)} {what}"
        raise UserError(f"--{OPTION.name}", number, remedy)
    if name == "GMMAL_CORE":
        os.sched_setaffinity(0, {int(there[0])})
    return [{name: each} for each in there[:number]]


def execute(run: "Run", own: Sequence[dict[str, str]], report: Any, stop: Any) -> None:
    """Run all cycles that have no record yet, as `loop.execute` does.

    Args:
      run: whose folder this process holds.
      own: from `places`.
      report: told of every chunk, stage and row.
      stop: asked now and then; a signal's number ends the run, saved.

    Raises:
      Interrupted: `stop` said so; all have saved.
      SeedsFailed: a process failed, and has said why; the others have saved.
    """
    from gmmal_jax.storage import records

    try:
        _Crew(run.places.root, run.config.seeds, own).show(report, stop)
    finally:
        # Who wrote them last may not have seen the others' last records.
        for arm in run.arms:
            if records.load(arm.places.root):
                records.write_views(arm.places.root)


class _Crew:
    """The processes, and what they say."""

    def __init__(
        self, folder: Path, seeds: Sequence[int], own: Sequence[dict[str, str]]
    ) -> None:
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.members = [
            _start(folder, seeds[i :: len(own)], variables)
            for i, variables in enumerate(own)
            if seeds[i :: len(own)]
        ]
        for member in self.members:
            threading.Thread(target=self._read, args=(member,), daemon=True).start()

    def _read(self, member: "subprocess.Popen[str]") -> None:
        assert member.stdout is not None
        for line in member.stdout:
            self.messages.put(json.loads(line))
        self.messages.put({"kind": "ended"})

    def show(self, report: Any, stop: Any) -> None:
        """Tell a reporter what they do, until all have ended; see `execute`."""
        running, signum = len(self.members), None
        try:
            while running:
                try:
                    message = self.messages.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    message = {"kind": "nothing"}
                if message["kind"] == "ended":
                    running -= 1
                    if any(member.poll() for member in self.members):
                        self._tell(signal.SIGTERM)
                else:
                    _pass_on(message, report)
                if signum is None and stop():
                    signum = stop()
                    self._tell(signal.SIGTERM)
        finally:
            codes = self._end()
        if signum is not None:
            raise Interrupted(signum)
        failed = [code for code in codes if code and code != 128 + signal.SIGTERM]
        if failed:
            raise SeedsFailed(failed)

    def _tell(self, signum: int) -> None:
        for member in self.members:
            if member.poll() is None:
                member.send_signal(signum)

    def _end(self) -> list[int]:
        """Wait for all; by what is no end of theirs they are killed."""
        if sys.exc_info()[0] is not None:
            self._tell(signal.SIGKILL)
        return [member.wait() for member in self.members]


def _start(
    folder: Path, seeds: Sequence[int], variables: dict[str, str]
) -> "subprocess.Popen[str]":
    # A session of its own: Ctrl-C is for this process, which hands it on once. Its
    # input ends when this process does, however that comes: then it ends, too.
    command = [sys.executable, "-m", _MODULE, str(folder), *map(str, seeds)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
        start_new_session=True,
    )


def _pass_on(message: dict[str, Any], report: Any) -> None:
    from gmmal_jax.storage.records import Record
    from gmmal_jax.train import Chunk

    kind, fields = message["kind"], message.get("fields", [])
    if kind == "progress":
        report.progress(*fields[:3], Chunk(*fields[3]))
    elif kind == "row":
        report.row(fields[0], Record(*fields[1]))
    elif kind in ("note", "stage"):
        getattr(report, kind)(*fields)
