"""The command of the paper's tables and figures, and of what is beyond them."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import beyond, processes
from experiments.paper import timing, worlds
from experiments.paper.experiment import EVERY, SEEDS, Experiment, load
from experiments.paper.plan import Task, looked_at, tasks
from experiments.paper.store import RESULTS, Store
from gmmal_jax.errors import TrainingDiverged, UserError
from gmmal_jax.storage import files


def main(argv: Sequence[str] | None = None) -> int:
    """Run what has no rows yet and write the pages; or tell what there is."""
    args = _parser().parse_args(argv)
    try:
        return _status(args) if args.what == "status" else _run(args)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


_WHAT = f"table_01 to figure_20, {', '.join(beyond.NAMES)}, all, or status"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        description="A table or figure of the paper, or a question beyond it, from "
        "nothing: runs the pieces (a seed of an arm in a world) that have no rows yet. "
        "Killed, it goes on.",
    )
    parser.add_argument("what", help=_WHAT)
    parser.add_argument("--scale", choices=worlds.SCALES, default="cpu")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each arm")
    parser.add_argument("--out", type=Path, default=RESULTS, help="rows and pages")
    parser.add_argument("--data", type=Path, help="folder of cifar10.npz and its like")
    parser.add_argument("--core", type=int, help="at cpu scale: the core to run on")
    parser.add_argument(
        "--strict", action="store_true",
        help="status: exit 1 where a full result is not of the paper's configuration",
    )  # fmt: skip
    return parser


def _status(args: argparse.Namespace) -> int:
    # Files are read and nothing is trained: a GPU is left to who trains on it.
    os.environ["JAX_PLATFORMS"] = "cpu"
    from experiments.paper import status, strict

    print(status.table(args.out))
    print(f"\nBeyond the paper:\n\n{status.table(args.out, beyond.NAMES)}")
    wrong = strict.complaints(args.out) if args.strict else []
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _run(args: argparse.Namespace) -> int:
    names = list(EVERY) if args.what == "all" else [args.what]
    experiments = {name: load(name) for name in names}
    if not 1 <= args.seeds <= SEEDS:
        raise UserError("--seeds", args.seeds, f"use 1 to {SEEDS}")
    _require(args, experiments)
    if args.scale == "cpu":  # equal bits on one core alone
        os.environ["JAX_PLATFORMS"] = "cpu"
        processes.pin(_core(args.core))
    with files.lock(args.out):
        return _held(args, experiments)


def _require(args: argparse.Namespace, experiments: dict[str, Experiment]) -> None:
    """Refuse to begin where data is missing."""
    if args.scale == "cpu" and args.data is None:
        print("no --data: digits stand in for published pictures", flush=True)
    for experiment in experiments.values():
        likely = "likelihood" in experiment.shown
        if experiment.runs or experiment.seen or likely:
            for form in _forms(experiment, args):
                worlds.require(form, args.data)


def _forms(experiment: Experiment, args: argparse.Namespace) -> list[worlds.Form]:
    """The forms of its worlds that this call runs, each once."""
    pictures = args.data is not None
    every = (worlds.form(w, args.scale, pictures) for w in experiment.worlds)
    return list({form.key: form for form in every}.values())


def _core(wanted: int | None) -> int:
    """The core to run on; without a choice the last one.

    Raises:
      UserError: this process may not run on it.
    """
    if not hasattr(os, "sched_getaffinity"):
        return 0
    there = sorted(os.sched_getaffinity(0))
    if wanted is not None and wanted not in there:
        raise UserError("--core", wanted, f"use one of {there}")
    return there[-1] if wanted is None else wanted


def _held(args: argparse.Namespace, experiments: dict[str, Experiment]) -> int:
    """Run, while no other process writes to the folder."""
    import jax

    from experiments.paper import page, work

    compiled = args.out / "work" / "compiled"
    jax.config.update("jax_compilation_cache_dir", str(compiled.absolute()))
    store, failed = Store(args.out, args.scale), 0
    waiting = list(experiments.values())
    for name, experiment in experiments.items():
        waiting.remove(experiment)
        if "timing" in experiment.shown:
            if not timing.path(args.out, args.scale).exists():
                failed += timing.run(args.out, args.scale)
            continue
        own, later = (
            tasks(each, args.scale, args.seeds, args.data is not None)
            for each in ([experiment], waiting)
        )
        _say(f"{name}: {experiment.caption}")
        if own:
            failed += work.run(own, args.data, store, _say, later)
        for task in looked_at(experiment, _forms(experiment, args), args.seeds):
            failed += _look(experiment, task, args.data, store)
        written = page.write(experiment, name, args.scale, args.out)
        if written:
            _say(f"{name}: written: {written}")
    return 1 if failed else 0


def _look(experiment: Experiment, task: Task, data: Path | None, store: Store) -> bool:
    """Train what rows do not hold, and keep it; whether training did not end."""
    from experiments.beyond import likelihood
    from experiments.paper import hardness, maps

    takes = {"hardness": hardness.take, "likelihood": likelihood.take}
    try:
        takes.get(experiment.shown[0], maps.take)(task, data, store)
    except TrainingDiverged as error:
        _say(f"no result: {error}")
        return True
    return False


def _say(line: str) -> None:
    print(line, flush=True)
