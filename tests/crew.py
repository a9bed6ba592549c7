"""Runs of one or several real processes, on made-up features of their own folder."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import processes

HEARTBEAT = 15
"""Seconds: a process that is busy compiling on a loaded machine is not lost."""
_QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
"""Compiling is what these runs spend their time on."""
OPTIONS = (
    "--cycles 4 --initial 10 --budget 10 --train.steps 100 --train.chunk-steps 10 "
    "--da.steps 40 --da.refit-every 20 --reference none --seeds 0 --da.hidden 8 "
    "--train.batch-size 16 --da.batch-size 16 --width 8 --checkpoint.every-seconds 1"
).split()


def features(folder):
    """240 rows for training and 60 for testing, of 4 classes."""
    generator = np.random.default_rng(0)
    labels = np.arange(300, dtype=np.int32) % 4
    rows = generator.normal(size=(300, 6)) + 3 * np.eye(4)[labels] @ np.ones((4, 6))
    rows += 2 * np.eye(6)[labels]
    path = folder / "features.npz"
    parts = {"x_train": rows[:240], "y_train": labels[:240],
             "x_test": rows[240:], "y_test": labels[240:]}  # fmt: skip
    np.savez(path, **{n: v.astype(v.dtype if v.dtype == np.int32 else np.float32)
                      for n, v in parts.items()})  # fmt: skip
    return path


DYING = """
import os, signal, sys, threading
from gmmal_jax import parallel
from gmmal_jax.cli import main

inner, left = parallel.run_chunk, [int(sys.argv.pop(1))]

def run_chunk(*args):
    left[0] -= 1
    if not left[0]:
        die = lambda: os.kill(os.getpid(), signal.SIGKILL)
        threading.Timer(0.003, die).start()
    return inner(*args)

parallel.run_chunk = run_chunk
sys.exit(main.main())
"""
"""A process that is killed within that chunk of steps, whose sums go over all."""
TIGHT = """
import sys
from gmmal_jax import bind, memory
from gmmal_jax.cli import main
from gmmal_jax.report import figures

bind.room_of = lambda *_: memory.Room(4000, 0, together=60, bytes=10**9, narrow=4)
figures.draw_run = lambda folder: figures.Drawn([], [])
sys.exit(main.main())
"""
"""A process with room for the logits of 240 rows (3,840 bytes), not for their latents,
as a bound on memory would leave of many more. Nobody looks at its pictures."""


class Crew:
    """Processes that work together on a run in `folder / "run"`.

    They share no folder but that of the data: each has a place of its own, and the
    first one's is that of the run.

    Args:
      folder: of the run, the data and the logs.
      words: of the command line behind `gmmal`.
      count: processes.
      devices: of each.
      dies: (process, chunk of steps it is killed in); None: none is.
      tight: they may not hold the pool's latents.
    """

    def __init__(self, folder: Path, words, count=2, devices=1, dies=None, tight=False):
        self.folder, self.began = folder, time.monotonic()
        flags = f"{_QUICK} --xla_force_host_platform_device_count={devices}"
        environment = processes.environment(
            cache=None, JAX_PLATFORMS="cpu", XLA_FLAGS=flags
        )
        self.logs, self.members = [], []
        address = f"127.0.0.1:{_free_port()}"
        for number in range(count):
            more = [] if count == 1 else _place(address, count, number)
            log = folder / f"log-{time.monotonic_ns()}-{number}.txt"
            self.logs.append(log)
            place = folder / f"host-{number}" if number else folder
            place.mkdir(exist_ok=True)
            program = ["-c", TIGHT] if tight else ["-m", "gmmal_jax"]
            if dies and dies[0] == number:
                program = ["-c", DYING, str(dies[1])]
            with log.open("w") as file:
                command = [sys.executable, *program, *words, *more]
                self.members.append(
                    subprocess.Popen(
                        command, stdout=file, stderr=file, env=environment, cwd=place
                    )
                )

    @classmethod
    def runs(cls, folder, *more, count=2, devices=1, dies=None, tight=False):
        """A new run."""
        words = ["run", "--dataset", f"features:{features(folder)}", "--out", "run"]
        return cls(folder, [*words, *OPTIONS, *more], count, devices, dies, tight)

    @classmethod
    def resumes(cls, folder, count=2, devices=1):
        """The run of the folder, taken up."""
        return cls(folder, ["resume", "run"], count, devices)

    def until_recorded(self, cycle):
        """Wait until a cycle is on record; whoever ends before has failed."""
        record = self.folder / f"run/records/seed-000/cycle-{cycle:02d}.json"
        while not record.exists():
            assert all(each.poll() is None for each in self.members), self.said()
            time.sleep(0.02)

    def codes(self, timeout=240):
        """Exit codes, once all have ended."""
        try:
            return [each.wait(timeout) for each in self.members]
        finally:
            self.kill()

    def kill(self):
        """End whoever is left."""
        for each in self.members:
            if each.poll() is None:
                os.kill(each.pid, signal.SIGKILL)
                each.wait()

    def said(self):
        """What they printed, one after the other."""
        return "\n".join(log.read_text() for log in self.logs)


def tables(folder):
    """The bytes of what must repeat; only the first process writes."""
    for place in folder.glob("host-*"):
        assert not [*place.rglob("*.*")], "a process that does not lead has written"
    names = ("results", "recall", "queries", "initial", "diagnostics")
    return {f"{name}.csv": (folder / f"run/{name}.csv").read_bytes() for name in names}


def _place(address, count, number):
    return (
        f"--distributed --coordinator {address} --processes {count} "
        f"--process {number} --heartbeat-timeout {HEARTBEAT}"
    ).split()


def _free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
