"""Is a run that was killed with -9 and resumed equal to one that was not?

    python benchmarks/kill_and_resume.py [--json FILE]
    python benchmarks/kill_and_resume.py --moments 50
    python benchmarks/kill_and_resume.py --learners [METHOD ...]

Runs digits with a network of width 4 once whole, then once for each stage of a cycle:
a child process kills itself with SIGKILL inside that stage, which it names, `gmmal
resume` goes on in a new process, and the tables of method and reference are compared
byte for byte. With --learners the stages are the phases of each method that trains in
its own way (or of those named), and the kill comes in the second cycle, so that what
was carried over from the first is there. With --moments the kills are that many, over
all stages in turn, each before or after a call of the stage's function that is drawn
from all of its calls. Exit code 1 if any differs or a child did not die of the signal.
"""

import argparse
import atexit
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import harness
from table_differences import VIEWS

OPTIONS = [
    "--width", "4", "--cycles", "2", "--train.steps", "40", "--train.chunk-steps",
    "10", "--da.steps", "40", "--da.refit-every", "20", "--da.hidden", "32",
    "--checkpoint.every-seconds", "0",
]  # fmt: skip
# stage -> (module, function, call that dies, before or after its work)
STAGES = {
    "stage 1": ("gmmal_jax.parallel", "run_chunk", 6, "after"),
    "stage 2": ("gmmal_jax.parallel", "run_chunk", 10, "after"),
    "mixture refit": ("gmmal_jax.mixtures.em", "fit_shards", 2, "after"),
    "scoring": ("gmmal_jax.strategies.base", "query", 2, "after"),
    "checkpoint write": ("gmmal_jax.storage.files", "sync", 20, "before"),
    "record write": ("gmmal_jax.storage.records", "write", 3, "before"),
    "tables": ("gmmal_jax.storage.records", "write_views", 2, "before"),
}


_COUNT = "count"
_WRITES = ("checkpoint write", "record write", "tables")
"""Stages whose function dies before its work: after it nothing is half done."""


def child(stage: str, folder: str, options: Sequence[str]) -> None:
    """Run until the stage, or the phase of that name, then die as by the kernel."""
    from gmmal_jax.cli import main as cli

    name, *moment = stage.split(",")
    if name == _COUNT:
        _count_calls(Path(folder))
    elif name in STAGES:
        module, function, call, when = STAGES[name]
        if moment:
            call, when = int(moment[0]), moment[1]
        _die_in_call(name, module, function, call, when)
    else:
        _die_in_phase(name)
    sys.exit(cli.main(["run", "--out", folder, *options]))


def _count_calls(folder: Path) -> None:
    """Write down beside the run how often each stage's function was called."""
    counts = dict.fromkeys(STAGES, 0)

    def watch(stage: str) -> None:
        module_name, name, *_ = STAGES[stage]
        module = importlib.import_module(module_name)
        original = getattr(module, name)

        def counted(*args: object, **kwargs: object) -> object:
            counts[stage] += 1
            return original(*args, **kwargs)

        setattr(module, name, counted)

    for stage in STAGES:
        watch(stage)
    atexit.register(
        lambda: folder.with_name("calls.json").write_text(json.dumps(counts))
    )


def _die_in_call(stage: str, module_name: str, name: str, call: int, when: str) -> None:
    module = importlib.import_module(module_name)
    original, calls = getattr(module, name), 0

    def dying(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        result = original(*args, **kwargs) if when == "after" else None
        if calls == call:
            _die(f"{stage} ({when} call {call} of {module_name}.{name})")
        return result if when == "after" else original(*args, **kwargs)

    setattr(module, name, dying)


def _die_in_phase(phase: str) -> None:
    """After the phase's second chunk in the second cycle, before it is saved."""
    from gmmal_jax import loop

    original: Callable[..., None] = loop.Watch.on_chunk
    chunks = 0

    def dying(watch: loop.Watch, standing: object) -> None:
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


def gmmal(*args: str) -> None:
    """Run the command line and insist that it ends well."""
    command = [sys.executable, "-m", "gmmal_jax", *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def tables(folder: Path) -> dict[str, bytes]:
    """Contents of the deterministic tables of both arms."""
    places = (folder, folder / "reference")
    return {
        f"{place.name}/{view}": (place / view).read_bytes()
        for place in places
        if place.exists()
        for view in VIEWS
    }


def attempt(
    stage: str, root: Path, whole: dict[str, bytes], options: Sequence[str]
) -> dict[str, object]:
    """Kill in a stage, resume, compare."""
    folder = root / stage.replace(" ", "-").replace(",", "-") / "run"
    command = [sys.executable, __file__, "--child", stage, str(folder), *options]
    died = subprocess.run(command, capture_output=True, text=True)
    said = [line for line in died.stdout.splitlines() if line.startswith("killed in")]
    killed = died.returncode == -signal.SIGKILL and bool(said)
    gmmal("resume", str(folder))
    return {
        "stage": stage,
        "hit": said[0] if said else f"{stage}: not hit",
        "killed": killed,
        "equal": tables(folder) == whole,
    }


def attempts(stages: Sequence[str], options: Sequence[str]) -> list[dict[str, object]]:
    """Compare all stages of a run, and print a line for each."""
    with tempfile.TemporaryDirectory() as root:
        straight = Path(root) / "whole" / "run"
        gmmal("run", "--out", str(straight), *options)
        whole, rows = tables(straight), []
        for stage in stages:
            row = attempt(stage, Path(root), whole, options)
            verdict = "byte-identical" if row["equal"] else "DIFFERENT"
            print(f"{row['hit']}: {verdict}", flush=True)
            rows.append(row)
    return rows


def moments(number: int, root: Path) -> list[str]:
    """So many moments of a run, the stages in turn, each in a call drawn at random."""
    folder = root / "count" / "run"
    command = [sys.executable, __file__, "--child", _COUNT, str(folder), *OPTIONS]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    counts = json.loads((root / "count/calls.json").read_text())
    generator, stages = random.Random(0), list(STAGES)
    drawn = []
    for i in range(number):
        stage = stages[i % len(stages)]
        call = generator.randint(1, counts[stage])
        when = "before" if stage in _WRITES else generator.choice(["before", "after"])
        drawn.append(f"{stage},{call},{when}")
    return drawn


def phases(method: str) -> tuple[str, ...]:
    """Of the learner that trains for a method, with what its query adds."""
    from gmmal_jax import bind
    from gmmal_jax.cli import run

    options = _options(method)
    prepared = bind.prepare(run.parse_run(options), Path("nowhere"))
    return tuple(phase.name for phase in prepared.arms[-1].method.learner.phases)


def trained_alike() -> list[str]:
    """The first method of each way to train."""
    from gmmal_jax import methods

    first: dict[tuple[str, tuple[str, ...]], str] = {}
    for name, entry in methods.METHODS.items():
        first.setdefault((entry.learner, phases(name)), name)
    alone = {entry.learner for entry in methods.METHODS.values()}
    return [*first.values(), *(x for x in methods.LEARNERS if x not in alone)]


def _options(name: str) -> list[str]:
    """Of a method, or of a learner that is no method's, with random choice."""
    from gmmal_jax import methods

    known = name in methods.METHODS or name in methods.ALIASES
    chosen = ["--method", name] if known else ["--learn", name, "--query", "random"]
    return [*OPTIONS, *chosen, "--reference", "none"]


def main() -> int:
    """Compare, print a line for each kill; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--learners", nargs="*", metavar="METHOD")
    parser.add_argument("--moments", type=int)
    parser.add_argument("--child", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if args.child:
        stage, folder, *options = args.child
        child(stage, folder, options)
    if args.moments:
        with tempfile.TemporaryDirectory() as root:
            rows = attempts(moments(args.moments, Path(root)), OPTIONS)
        equal = sum(bool(row["equal"] and row["killed"]) for row in rows)
        print(f"{equal} of {len(rows)} byte-identical")
    elif args.learners is None:
        rows = attempts(list(STAGES), OPTIONS)
    else:
        rows = []
        for name in args.learners or trained_alike():
            print(f"{name}:", flush=True)
            rows += attempts(phases(name), _options(name))
    if args.json:
        harness.write_json(args.json, rows)
    return 0 if all(row["equal"] and row["killed"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
