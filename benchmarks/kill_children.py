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
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple


class Call(NamedTuple):
    """A stage of `gmmal run` that is a function.

    Attributes:
      module: it is called in.
      function: its name there.
      call: that dies, counted from 1, where no moment is drawn.
      when: before or after its work.
    """

    module: str
    function: str
    call: int
    when: str


STAGES = {
    "stage 1": Call("gmmal_jax.parallel", "run_chunk", 6, "after"),
    "stage 2": Call("gmmal_jax.parallel", "run_chunk", 10, "after"),
    "mixture refit": Call("gmmal_jax.mixtures.em", "fit_shards", 2, "after"),
    "scoring": Call("gmmal_jax.strategies.base", "query", 2, "after"),
    "checkpoint write": Call("gmmal_jax.storage.files", "sync", 20, "before"),
    "record write": Call("gmmal_jax.storage.records", "write", 3, "before"),
    "tables": Call("gmmal_jax.storage.records", "write_views", 2, "before"),
}
LINES = {
    "pack": ("project/pack.py", "storage/files.py"),
    "embed": ("encoders/job.py", "encoders/progress.py", "encoders/output.py",
              "storage/files.py"),
}  # fmt: skip
"""Commands that die before a line of these files: what they write is written there."""
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
        _count(words[0], counts)
    elif moment:
        _arrange(*moment.split(","))
    code = cli.main(list(words))
    log.with_suffix(".json").write_text(json.dumps(counts))
    sys.stdout.flush()
    sys.exit(code)


def _arrange(stage: str, number: str = "", when: str = "") -> None:
    """Have the process die in a stage, or in a phase of that name."""
    if stage in LINES:
        _trace(LINES[stage], lambda count: _die_at(stage, count, int(number)))
    elif stage in STAGES:
        chosen = STAGES[stage]
        if number:
            chosen = chosen._replace(call=int(number), when=when)
        _die_in_call(stage, chosen)
    else:
        _die_in_phase(stage)


def _count(verb: str, counts: dict[str, int]) -> None:
    """Note how often each stage's function is called, or a line is reached."""

    def watch(stage: str, chosen: Call) -> None:
        module = importlib.import_module(chosen.module)
        original = getattr(module, chosen.function)

        def counted(*args: object, **kwargs: object) -> object:
            counts[stage] = counts.get(stage, 0) + 1
            return original(*args, **kwargs)

        setattr(module, chosen.function, counted)

    if verb == "run":
        for stage, chosen in STAGES.items():
            watch(stage, chosen)
        return
    command = "embed" if verb == "embed" else "pack"
    _trace(LINES[command], lambda count: counts.update({command: count}))


def _trace(names: Sequence[str], reached: Callable[[int], None]) -> None:
    """Tell the number of each line of these files before it is executed."""
    count = 0

    def line(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            reached(count)
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename.endswith(tuple(names)) else None

    sys.settrace(call)


def _die_at(stage: str, count: int, wanted: int) -> None:
    if count == wanted:
        _die(f"{stage} (before line {count} of those that write)")


def _die_in_call(stage: str, chosen: Call) -> None:
    module = importlib.import_module(chosen.module)
    original, calls = getattr(module, chosen.function), 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        after = chosen.when == "after"
        result = original(*args, **kwargs) if after else None
        if calls == chosen.call:
            place = f"{chosen.module}.{chosen.function}"
            _die(f"{stage} ({chosen.when} call {calls} of {place})")
        return result if after else original(*args, **kwargs)

    setattr(module, chosen.function, dying)


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
