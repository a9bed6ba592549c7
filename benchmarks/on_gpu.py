"""Everything worth knowing of a borrowed GPU, the most valuable first.

    python benchmarks/on_gpu.py [--minutes M] [--only PART ...] [--data FILE]
    python benchmarks/on_gpu.py --dry-run [--minutes M]

Each part leaves a small JSON record when it is done; what is on record is not done
again, so the command is simply repeated until nothing is left. A part that fails, even
with its process, is recorded as failed, and the next one runs. `--dry-run` does every
part at a toy's size on whatever there is. Needs jax, flax, optax, orbax, chex, numpy,
scipy and jaxtyping; other libraries are compared with where they are installed.
docs/gpu.md says what each part costs and how to read its record.
"""

import argparse
import contextlib
import datetime
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # a borrowed machine has nothing installed

from gpu_parts.base import SIZES, Context, Found  # noqa: E402

from gmmal_jax.errors import UserError  # noqa: E402
from gmmal_jax.storage import files  # noqa: E402


class Part(NamedTuple):
    """A part of the command.

    Attributes:
      module: of `gpu_parts`.
      minutes: about what it takes on an H100, compilation included.
    """

    module: str
    minutes: float


PARTS = {
    "environment": Part("environment", 0.5),
    "numerics": Part("numerics", 1),
    "resume": Part("resume", 2),
    "supervised": Part("supervised", 3),
    "alternating": Part("alternating", 3),
    "profile": Part("profile", 2),
    "em": Part("mixtures", 2),
    "cycle": Part("stages_of_cycle", 4),
    "compile": Part("compiling", 3),
    "training": Part("training", 60),
}
"""In order of value. Real training comes last because it takes whatever is left."""
STUCK = 4.0
"""A part that takes so many times its minutes is stopped."""
SHORTEST = 10.0
"""Seconds that must be left for another part to begin."""
OK, FAILED, UNFINISHED = "ok", "failed", "unfinished"
_MEMORY = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Other libraries and processes of a part's own want memory of the card, too."""
_REHEARSAL = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
"""A rehearsal's time is nearly all compilation, and its figures mean nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing; 1 where a part failed, 2 where an option is unusable."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="a toy's size")
    parser.add_argument("--minutes", type=float, help="stop in so many")
    parser.add_argument(
        "--only", nargs="+", choices=list(PARTS), metavar="PART", help=", ".join(PARTS)
    )
    parser.add_argument("--data", type=Path, help="CIFAR-10 from pack_cifar, or npz")
    parser.add_argument("--out", type=Path, help="folder of the records")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/on_gpu"), help="for what is not kept"
    )
    parser.add_argument(
        "--peer", nargs="+", default=[], metavar="NAME=MODULE:FUNCTION",
        help="EM to compare with, a builder as in em_peers.py",
    )  # fmt: skip
    parser.add_argument("--worker", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.out = args.out or args.work / f"records-{_size(args)}"
    try:
        if args.worker is not None:
            return _work(args)
        return _all(args)
    except UserError as error:
        print(f"on_gpu: {error}", file=sys.stderr)
        return 2


def _size(args: argparse.Namespace) -> str:
    return "dry" if args.dry_run else "full"


def _all(args: argparse.Namespace) -> int:
    """Workers one after the other: the next one goes on where one died."""
    if args.data is not None and not args.data.exists():
        raise UserError("--data: no such file", str(args.data), "see docs/gpu.md")
    _peers(args.peer)
    args.out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + 60 * (args.minutes or 7 * 24 * 60)
    wanted = list(args.only or PARTS)
    with files.lock(args.work):
        waiting = [n for n in wanted if _status(_read(args.out, n)) != OK]
        for name in wanted:
            if name not in waiting:
                print(f"{name}: on record", flush=True)
        while waiting and ends - time.monotonic() > SHORTEST:
            waiting = _watch(args, waiting, ends)
    print(table(args.out))
    statuses = [_status(_read(args.out, name)) for name in wanted]
    return 1 if FAILED in statuses else 0


def _watch(args: argparse.Namespace, names: list[str], ends: float) -> list[str]:
    """Let a worker run parts; the parts that are left when it has ended."""
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = _start(args, names, ends, log)
        current, began, left, timer = None, time.monotonic(), list(names), None
        assert process.stdout is not None
        for line in process.stdout:
            what, _, name = line.strip().partition(" ")
            if timer is not None:
                timer.cancel()
            if what == "begin":
                current, began = name, time.monotonic()
                limit = min(STUCK * 60 * PARTS[name].minutes, ends - began)
                timer = threading.Timer(limit, _end, [process])
                timer.start()
                about = f"about {PARTS[name].minutes:g} min on an H100"
                print(f"{name}: {'toy size' if args.dry_run else about}", flush=True)
            else:
                current = None
                left.remove(name)
                print(f"{name}: {_line(_read(args.out, name))}", flush=True)
        code = process.wait()
        if timer is not None:
            timer.cancel()
        if current is None:
            return [] if code == 0 else _lost(args.out, left, log, code)
        over = time.monotonic() >= ends - 1
        _write(args.out, current, _died(log, code, over, time.monotonic() - began))
        print(f"{current}: {_line(_read(args.out, current))}", flush=True)
        return [name for name in left if name != current]


def _lost(out: Path, left: list[str], log: TextIO, code: int) -> list[str]:
    """What is left where a worker died before it began a part: nothing can be done."""
    for name in left:
        _write(out, name, _died(log, code, False, 0.0))
    return []


def _died(log: TextIO, code: int, over: bool, seconds: float) -> dict[str, Any]:
    """The record of a part that took its process with it, or was stopped."""
    log.seek(0)
    lines = log.read().strip().splitlines()
    if code == -signal.SIGKILL:
        reason = "the time was up" if over else "stopped: stuck, or out of memory"
    else:
        reason = f"its process ended with code {code}: {lines[-1] if lines else ''}"
    status = UNFINISHED if over else FAILED
    body = {"status": status, "headline": reason[:500], "log": lines[-40:]}
    return body | {"seconds": seconds}


def _start(
    args: argparse.Namespace, names: list[str], ends: float, log: TextIO
) -> subprocess.Popen[str]:
    command = [
        sys.executable, str(Path(__file__).resolve()), "--worker", str(ends),
        "--out", str(args.out), "--work", str(args.work), "--only", *names,
        *(["--dry-run"] if args.dry_run else []),
        *(["--data", str(args.data)] if args.data else []),
        *(["--peer", *args.peer] if args.peer else []),
    ]  # fmt: skip
    own = _MEMORY | (_REHEARSAL if args.dry_run else {})
    # A session of its own, so that what a part has started ends with it.
    return subprocess.Popen(
        command, env=os.environ | own, stdout=subprocess.PIPE, stderr=log,
        text=True, start_new_session=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _work(args: argparse.Namespace) -> int:
    """Measure parts in this process; tell which one begins and ends."""
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to the log
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    _cache(args.work)
    for name in args.only:
        if args.worker - time.monotonic() < SHORTEST:
            break
        print(f"begin {name}", file=events, flush=True)
        _measure(args, name)
        print(f"end {name}", file=events, flush=True)
    return 0


def _follow(parent: int) -> None:
    """End with the command, however it ended: nobody else would."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os.killpg(0, signal.SIGKILL)


def _measure(args: argparse.Namespace, name: str) -> None:
    """A part's record, whether it went well or not."""
    work, began = args.work / name, time.monotonic()
    if name != "training":  # which goes on where it was
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    # What goes on next time stops by itself, before it would be stopped.
    context = Context(
        SIZES[_size(args)], args.worker - SHORTEST, args.data, args.out, work,
        _peers(args.peer),
    )  # fmt: skip
    try:
        module = importlib.import_module(f"gpu_parts.{PARTS[name].module}")
        body = _body(module.measure(context))
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        body = {"status": FAILED, "headline": reason[:500], "log": lines[-40:]}
    _write(args.out, name, body | {"seconds": time.monotonic() - began})
    gc.collect()  # buffers of this part are not the next one's


def _body(found: Found) -> dict[str, Any]:
    import jax

    status = FAILED if found.failures else OK if found.finished else UNFINISHED
    return {
        "status": status,
        "headline": found.headline,
        "device": jax.devices()[0].device_kind,
        "jax": jax.__version__,
        "date": datetime.date.today().isoformat(),
        "absent": list(found.absent),
        "failures": list(found.failures),
        "results": found.results,
    }


def _cache(work: Path) -> None:
    import jax

    jax.config.update("jax_compilation_cache_dir", str(work.resolve() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def _peers(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, sign, reference in pairs:
        if not (name and sign and ":" in reference):
            remedy = "use NAME=MODULE:FUNCTION"
            raise UserError("--peer", name + sign + reference, remedy)
    return {name: reference for name, _, reference in pairs}


def _read(out: Path, name: str) -> dict[str, Any] | None:
    path = out / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _write(out: Path, name: str, body: dict[str, Any]) -> None:
    text = json.dumps({"part": name} | body, indent=2, default=float)
    files.write_atomic(out / f"{name}.json", text + "\n")


def _status(record: dict[str, Any] | None) -> str | None:
    return record["status"] if record else None


def _line(record: dict[str, Any] | None) -> str:
    if record is None:
        return "not run"
    status = "" if record["status"] == OK else f"{record['status']}: "
    return f"{status}{record['headline']}"


def table(out: Path) -> str:
    """What is on record: a line for each part, then what was left out or fell short.

    Args:
      out: folder of the records.
    """
    lines, more = ["", f"{'part':<12}{'seconds':>9}  what"], []
    for name in PARTS:
        record = _read(out, name)
        seconds = f"{record['seconds']:.0f}" if record else ""
        lines.append(f"{name:<12}{seconds:>9}  {_line(record)}")
        for what in ("failures", "absent"):
            more += [f"{name}, {what}: {line}" for line in (record or {}).get(what, [])]
    return "\n".join([*lines, *more])


if __name__ == "__main__":
    sys.exit(main())
