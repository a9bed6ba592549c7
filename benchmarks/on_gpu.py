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
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # a borrowed machine has nothing installed

from gpu_parts import records, worker  # noqa: E402
from gpu_parts.records import PARTS  # noqa: E402

from gmmal_jax.errors import UserError  # noqa: E402
from gmmal_jax.storage import files  # noqa: E402

STUCK = 4.0
"""A part that takes so many times its minutes is stopped."""
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
    args = parser.parse_args(argv)
    args.out = args.out or args.work / f"records-{_size(args)}"
    try:
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
        waiting = [n for n in wanted if records.status(args.out, n) != records.OK]
        for name in wanted:
            if name not in waiting:
                print(f"{name}: on record", flush=True)
        while waiting and ends - time.monotonic() > worker.SHORTEST:
            waiting = _watch(args, waiting, ends)
    print(records.table(args.out))
    statuses = [records.status(args.out, name) for name in wanted]
    return 1 if records.FAILED in statuses else 0


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
                print(f"{name}: {records.line(args.out, name)}", flush=True)
        code = process.wait()
        if timer is not None:
            timer.cancel()
        if current is None:
            return [] if code == 0 else _lost(args.out, left, log, code)
        over = time.monotonic() >= ends - 1
        records.write(
            args.out, current, _died(log, code, over, time.monotonic() - began)
        )
        print(f"{current}: {records.line(args.out, current)}", flush=True)
        return [name for name in left if name != current]


def _lost(out: Path, left: list[str], log: TextIO, code: int) -> list[str]:
    """What is left where a worker died before it began a part: nothing can be done."""
    for name in left:
        records.write(out, name, _died(log, code, False, 0.0))
    return []


def _died(log: TextIO, code: int, over: bool, seconds: float) -> dict[str, Any]:
    """The record of a part that took its process with it, or was stopped."""
    log.seek(0)
    lines = log.read().strip().splitlines()
    if code == -signal.SIGKILL:
        reason = "the time was up" if over else "stopped: stuck, or out of memory"
    else:
        reason = f"its process ended with code {code}: {lines[-1] if lines else ''}"
    status = records.UNFINISHED if over else records.FAILED
    body = {"status": status, "headline": reason[:500], "log": lines[-40:]}
    return body | {"seconds": seconds}


def _start(
    args: argparse.Namespace, names: list[str], ends: float, log: TextIO
) -> subprocess.Popen[str]:
    job = worker.Job(
        names,
        _size(args),
        ends,
        str(args.data) if args.data else None,
        str(args.out),
        str(args.work),
        _peers(args.peer),
    )
    own = _MEMORY | (_REHEARSAL if args.dry_run else {})
    # A session of its own, so that what a part has started ends with it.
    return subprocess.Popen(
        [sys.executable, worker.__file__, json.dumps(job._asdict())],
        env=os.environ | own, stdout=subprocess.PIPE, stderr=log, text=True,
        start_new_session=True,
    )  # fmt: skip


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _peers(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, sign, reference in pairs:
        if not (name and sign and ":" in reference):
            remedy = "use NAME=MODULE:FUNCTION"
            raise UserError("--peer", name + sign + reference, remedy)
    return {name: reference for name, _, reference in pairs}


if __name__ == "__main__":
    sys.exit(main())
