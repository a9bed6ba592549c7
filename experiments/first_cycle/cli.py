"""The command of the experiment."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from experiments import tables
from experiments.first_cycle import check, pieces, report, run, work
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.storage import files

_HAS_AFFINITY = hasattr(os, "sched_setaffinity")


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is missing, in order; or tell what is left; or check."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.first_cycle",
        description="Reg and DA in the paper's own regime, the first cycle only: runs "
        "the pieces that results.csv lacks, in order. Killed, it goes on.",
    )
    parser.add_argument("--scale", choices=list(pieces.SCALES), default="cpu")
    parser.add_argument(
        "--check", action="store_true", help="run two toy pieces again and compare"
    )
    parser.add_argument(
        "--record", action="store_true", help="with --check: keep what comes out"
    )
    parser.add_argument(
        "--status", action="store_true", help="what is done, and how long the rest is"
    )
    parser.add_argument(
        "--report", action="store_true", help="rewrite the tables of the README"
    )
    parser.add_argument("--dataset", default="cifar10", help="cifar10 or npz:FILE")
    parser.add_argument("--data-dir", help="of the prepared TFDS data sets")
    parser.add_argument("--work", type=Path, default=Path("runs/first_cycle"))
    parser.add_argument("--results", type=Path, default=run.RESULTS)
    parser.add_argument("--core", type=int, help="run on this core alone")
    parser.add_argument("--minutes", type=float, help="stop, saved, after so many")
    parser.add_argument("--pieces", type=int, help="stop after so many pieces")
    args = parser.parse_args(argv)
    core = max(os.sched_getaffinity(0)) if args.check and _HAS_AFFINITY else args.core
    if core is not None and _HAS_AFFINITY:
        if core not in os.sched_getaffinity(0):
            parser.error(f"--core {core}: use one of {sorted(os.sched_getaffinity(0))}")
        os.sched_setaffinity(0, {core})  # before JAX counts its threads: bits repeat
    if args.status:
        print(report.status(tables.load(args.results), args.scale))
        return 0
    if args.report:
        report.write(tables.load(args.results))
        return 0
    if args.check:
        with tempfile.TemporaryDirectory() as folder:
            return check.main(Path(folder), args.record)
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    import jax

    args.work.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(args.work / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    ends = None if args.minutes is None else time.monotonic() + 60 * args.minutes
    data = work.Data(args.dataset, args.data_dir, args.work)
    try:
        with files.lock(args.work):
            run.missing(
                args.scale,
                data,
                args.results,
                say=lambda line: print(line, flush=True),
                stop=lambda: ends is not None and time.monotonic() > ends,
                most=args.pieces,
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except Interrupted:
        print("time is up: saved, the next call goes on")
    return 0
