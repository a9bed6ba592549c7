"""What dies in `kill_and_resume.py`: a command of gmmal in a process of its own.

The processes are forked from one that has imported all and computed nothing, which
saves each of them the imports; nothing else is shared but compiled programs.
"""

import importlib
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple


class Stage(NamedTuple):
    """What a process dies in: a call of a function, or a line that it gets to.

    Attributes:
      module: of the function.
      function: its name there.
      lines: of files whose paths hold one of these, executed within the call, are the
        moments; empty: before and after the call are.
      phase: of the chunk that the call is told of; empty: any.
    """

    module: str
    function: str
    lines: tuple[str, ...] = ()
    phase: str = ""


_FILES = "storage/files.py"
STAGES = {
    "stage 1": Stage("gmmal_jax.loop", "Watch.on_chunk", phase="supervised"),
    "stage 2": Stage("gmmal_jax.loop", "Watch.on_chunk", phase="alignment"),
    "mixture refit": Stage("gmmal_jax.mixtures.em", "fit_shards"),
    "scoring": Stage(
        "gmmal_jax.strategies.base", "query", ("strategies/", "selection/")
    ),
    "checkpoint write": Stage(
        "gmmal_jax.storage.checkpoint", "save", ("storage/checkpoint.py", _FILES)
    ),
    "record write": Stage(
        "gmmal_jax.storage.records", "write", ("storage/records.py", _FILES)
    ),
    "tables": Stage(
        "gmmal_jax.storage.records", "write_views", ("storage/records.py", _FILES)
    ),
}
COMMANDS = {
    "pack": Stage("gmmal_jax.project.pack", "pack", ("project/", _FILES)),
    "embed": Stage("gmmal_jax.encoders.job", "embed", ("encoders/", _FILES)),
}
"""Stages that are a command of their own."""
_ALL = STAGES | COMMANDS
COUNT = "count"
_PRELOAD = (
    "gmmal_jax.bind", "gmmal_jax.loop", "gmmal_jax.estimate", "gmmal_jax.cli.main",
    "gmmal_jax.cli.display", "gmmal_jax.cli.doctor", "gmmal_jax.report.figures",
    "gmmal_jax.learners.reg_da", "gmmal_jax.strategies.gmm", "orbax.checkpoint",
)  # fmt: skip


def prepare(compiled: Path) -> None:
    """Start the process that all are forked from.

    Args:
      compiled: a folder for compiled programs.
    """
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(_PRELOAD))


def run(moment: str, words: Sequence[str], log: Path) -> int:
    """A command of gmmal in a process of its own; its exit code, as subprocess's.

    Args:
      moment: it dies at, see `kill_and_resume`; `COUNT`: of all moments, which are
        written beside the log; empty: never.
      words: of the command line behind `gmmal`.
      log: file for what it prints.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_child, args=(moment, words, log))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _child(moment: str, words: Sequence[str], log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    from gmmal_jax.cli import main as cli
    from gmmal_jax.report import figures

    figures.draw_run = lambda folder: figures.Drawn([], [])  # no picture is compared
    counts: dict[str, int] = {}
    if moment == COUNT:
        for stage, chosen in _ALL.items():
            _watch(chosen, partial(_note, counts, stage))
    elif moment:
        _arrange(*moment.split(","))
    code = cli.main(list(words))
    log.with_suffix(".json").write_text(json.dumps(counts))
    sys.stdout.flush()
    sys.exit(code)


def _note(counts: dict[str, int], stage: str, where: str) -> None:
    counts[stage] = counts.get(stage, 0) + 1


def _arrange(stage: str, number: str = "") -> None:
    """Have the process die at a moment of a stage, or in a phase of that name."""
    if not number:
        _die_in_phase(stage)
        return
    left = int(number)

    def reached(where: str) -> None:
        nonlocal left
        left -= 1
        if not left:
            _die(f"{stage} ({where})")

    _watch(_ALL[stage], reached)


def _watch(chosen: Stage, reached: Callable[[str], None]) -> None:
    """Tell of each moment of a stage when it is there."""
    owner, name = importlib.import_module(chosen.module), chosen.function
    if "." in name:
        owner, name = getattr(owner, name.split(".")[0]), name.split(".")[1]
    original = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        if chosen.phase and args[1].chunk.name != chosen.phase:
            return original(*args, **kwargs)
        if chosen.lines:
            sys.settrace(_tracer(chosen.lines, reached))
            try:
                return original(*args, **kwargs)
            finally:
                sys.settrace(None)
        reached(f"before {chosen.module}.{chosen.function}")
        result = original(*args, **kwargs)
        reached(f"after {chosen.module}.{chosen.function}")
        return result

    setattr(owner, name, watched)


def _tracer(names: Sequence[str], reached: Callable[[str], None]) -> Any:
    """Tells of each line of these files before it is executed."""

    def line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            path = Path(frame.f_code.co_filename)
            reached(f"before {path.parent.name}/{path.name}:{frame.f_lineno}")
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        ours = "/gmmal_jax/" in name and any(each in name for each in names)
        return line if ours else None

    return call


def _die_in_phase(phase: str) -> None:
    """After the phase's second chunk in the second cycle, before it is saved."""
    from gmmal_jax import loop

    original: Callable[..., None] = loop.Watch.on_chunk
    chunks = 0

    def dying(watch: loop.Watch, standing: Any) -> None:
        nonlocal chunks
        _, _, cycle = watch.where
        if cycle == 1 and standing.chunk.name == phase:
            chunks += 1
            if chunks == 2:
                _die(phase)
        original(watch, standing)

    loop.Watch.on_chunk = dying


def _die(where: str) -> None:
    print(f"killed in: {where}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
