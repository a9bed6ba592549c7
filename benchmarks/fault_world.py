"""A small run for `faults.py`, given in this process, and what can be done to it.

Runs of features compile in a second and write the same files as runs of pictures.
"""

import contextlib
import errno
import io
import os
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from table_differences import VIEWS

OPTIONS = (
    "--cycles 2 --initial 8 --budget 8 --train.steps 20 --train.chunk-steps 10 "
    "--train.batch-size 8 --da.batch-size 8 --da.steps 20 --da.refit-every 10 "
    "--da.hidden 8 --width 4 --reference none --seeds 0 --method margin "
    "--checkpoint.every-seconds 0"
).split()


class Said(NamedTuple):
    """How a command ended.

    Attributes:
      code: its exit code; None: a trace.
      out: what it printed.
      error: what it printed on standard error, or the trace.
    """

    code: int | None
    out: str
    error: str

    def is_line(self, *words: str) -> bool:
        """Whether it ended with code 2 and one line, in which these words are."""
        lines = self.error.splitlines()
        return self.code == 2 and len(lines) == 1 and all(w in lines[0] for w in words)


def gmmal(*words: str) -> Said:
    """Give a command in this process."""
    from gmmal_jax.cli import main as cli
    from gmmal_jax.report import figures

    out, error, code = io.StringIO(), io.StringIO(), None
    drawn, figures.draw_run = figures.draw_run, lambda folder: figures.Drawn([], [])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            code = cli.main([*words])
        except BaseException:
            traceback.print_exc()
    figures.draw_run = drawn
    return Said(code, out.getvalue(), error.getvalue())


def features(path: Path, seed: int = 0) -> str:
    """A data set of 80 rows for training and 20 for testing, of 4 classes."""
    generator = np.random.default_rng(seed)
    labels = np.arange(100, dtype=np.int32) % 4
    rows = generator.normal(size=(100, 6)) + 3 * np.eye(6)[labels]
    rows = rows.astype(np.float32)
    np.savez(path, x_train=rows[:80], y_train=labels[:80], x_test=rows[80:],
             y_test=labels[80:])  # fmt: skip
    return f"features:{path}"


class World:
    """A run in `root`, and the same undisturbed.

    Args:
      root: a new folder.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.data = root, root / "data.npz"
        self.dataset, self.numbers = features(self.data), 0
        self.whole = self.new()
        said = self.run(self.whole)
        assert said.code == 0, said.error
        self.wanted = tables(self.whole)

    def new(self) -> Path:
        """A place for one more run."""
        self.numbers += 1
        return self.root / f"run-{self.numbers}"

    def run(self, folder: Path, *more: str) -> Said:
        """Start a run there."""
        words = ["run", "--dataset", self.dataset, "--out", str(folder)]
        return gmmal(*words, *OPTIONS, *more)

    def goes_on(self, folder: Path) -> bool:
        """Whether the run there ends, and as the undisturbed one did."""
        begun = (folder / "config.json").exists()
        said = gmmal("resume", str(folder)) if begun else self.run(folder)
        return said.code == 0 and tables(folder) == self.wanted

    def stopped(self, call: int = 3) -> tuple[Path, Said]:
        """A run that SIGTERM has stopped in that chunk of steps, with checkpoints."""
        folder = self.new()

        def stop() -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        with at_call("gmmal_jax.parallel", "run_chunk", call, stop):
            return folder, self.run(folder)

    def drop(self, folder: Path) -> None:
        """Make room."""
        shutil.rmtree(folder)


def tables(folder: Path) -> dict[str, bytes]:
    """What has to repeat; a table that is not there is empty."""
    paths = [folder / view for view in VIEWS]
    return {path.name: path.read_bytes() if path.exists() else b"" for path in paths}


@contextlib.contextmanager
def at_call(
    module: str, name: str, number: int, trouble: Callable[[], None]
) -> Iterator[list[int]]:
    """Have something happen before that call of a function; yields [calls so far]."""
    import importlib

    owner, calls = importlib.import_module(module), [0]
    original = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            trouble()
        return original(*args, **kwargs)

    setattr(owner, name, watched)
    try:
        yield calls
    finally:
        setattr(owner, name, original)


def full() -> None:
    """As the system answers where there is no room; it names no file."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
