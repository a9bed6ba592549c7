"""The command line: argv -> Config -> run; messages and exit codes.

Exit codes: 0 done, 1 training diverged or a check failed, 2 unusable input, 130 and
143 stopped by Ctrl-C and SIGTERM with everything saved.
"""

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from gmmal_jax import methods
from gmmal_jax.cli import options
from gmmal_jax.config import Config, from_dict, presets, replace
from gmmal_jax.errors import Interrupted, TrainingDiverged, UserError, unknown

DEFAULT_DATASET = "digits"
HELP = {"-h", "--help"}

USAGE = """usage: gmmal VERB [options]

  run              choose labels cycle by cycle beside a reference (run --help)
  resume RUN       go on with a run that was stopped or killed
  report RUN ...   table and figures of finished or running runs
  methods          the methods: learner and query strategy
  datasets         the data sets; what their presets and the named ones change
  datasets prepare original files to a folder that TFDS reads, offline (--help)
  doctor           check this installation

gmmal run needs no option: real digits, the paper's method beside random choice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in HELP | {"help"}:
        print(USAGE)
        return 0
    verb, rest = args[0], args[1:]
    try:
        if verb not in VERBS:
            raise unknown("unknown verb", verb, VERBS)
        return VERBS[verb](rest)
    except UserError as error:
        print(f"gmmal: {error}", file=sys.stderr)
        return 2
    except TrainingDiverged as error:
        print(f"gmmal: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1


def parse_run(args: Sequence[str]) -> Config:
    """The configuration that `gmmal run ARGS` means.

    A saved file (--config) comes first, else the data set's preset and what the method
    changes; then named presets (--preset) in their order; then the other options.

    Raises:
      UserError: an unknown or impossible option, an unusable file.
      SystemExit: --help (0).
    """
    given = options.split([arg for arg in args if arg not in HELP])
    values = options.parse(given, ("config", "preset"))
    names = options.several(given, "preset")
    file = options.one(given, "config")
    if file is None:
        config = methods.configure({"dataset": DEFAULT_DATASET} | values, names)
    else:
        config = replace(_read_config(Path(file)), **(presets.named(names) | values))
        methods.resolve(config)
    if set(args) & HELP:
        _help(config)
    return config


def _help(config: Config) -> NoReturn:
    import tyro

    tyro.cli(
        Config,
        args=["--help"],
        default=config,
        prog="gmmal run",
        description="Choose labels cycle by cycle. --config FILE starts from a saved "
        "configuration instead of the data set's preset; --preset NAME [NAME ...] "
        f"puts named presets on top ({', '.join(presets.NAMED)}; gmmal datasets "
        "lists what they change); the other options win over both. Defaults shown: "
        f"those of {config.dataset} and of the options given.",
    )
    raise SystemExit(0)


def _read_config(path: Path) -> Config:
    try:
        saved = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"--config: {error.strerror}", str(path), "check it") from None
    except ValueError as error:
        remedy = "use a run's config.json"
        raise UserError(f"{path}: not valid JSON", str(error), remedy) from None
    if not isinstance(saved, dict):
        raise UserError(f"{path}: not a configuration", None, "use a config.json")
    return replace(from_dict(saved.get("config", saved), str(path)), out=None)


def _run(args: Sequence[str]) -> int:
    config = parse_run(args)
    _announce()
    from gmmal_jax import methods

    name = f"{config.dataset}-{methods.label(config)}".replace(":", "-")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    safe = name.replace(os.sep, "-")
    folder = Path(config.out) if config.out else Path("runs") / f"{safe}-{stamp}"
    return _execute(folder, config)


def _resume(args: Sequence[str]) -> int:
    folder = Path(_one_path(args, "resume"))
    from gmmal_jax.storage import run_folder

    run_folder.read_config(folder)
    _announce()
    return _execute(folder, None)


def _execute(folder: Path, wanted: Config | None) -> int:
    """Start the run that is wanted in a new folder; None: go on with the one there."""
    from gmmal_jax import bind, loop
    from gmmal_jax.cli import display
    from gmmal_jax.report import figures

    _use_cache()
    with bind.opened(wanted, folder, resume=False) as (prepared, changed):
        config = prepared.config
        if wanted is not None and config.cycles < wanted.cycles:
            few = f"{config.cycles} of {wanted.cycles} cycles"
            changed = [f"{few}: the pool has no more rows"]
        for line in changed:
            print(f"note: {line}")
        print(f"folder: {folder}", flush=True)
        skipped = len(prepared.dataset.skipped)
        if skipped:
            print(
                f"skipped: {skipped} files, see {prepared.places.skipped}", flush=True
            )
        phases = {arm.label: len(arm.method.learner.phases) for arm in prepared.arms}
        with _signals() as stop:
            try:
                with display.Display(phases, config.seeds, config.cycles) as shown:
                    loop.execute(prepared, shown, stop)
            except Interrupted as interrupted:
                print(f"saved; go on with: gmmal resume {shlex.quote(str(folder))}")
                return 128 + interrupted.signum
            pictures = figures.draw_run(folder)
        for line in display.summary(shown, folder, pictures[0], config.seeds):
            print(line)
    return 0


def _announce() -> None:
    from gmmal_jax.cli import doctor

    print(doctor.device_line(), flush=True)
    remedy = doctor.unused_accelerator()
    if remedy:
        print(remedy, flush=True)


def _cache_folder() -> str:
    base = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    ours = str(Path(base) / "gmmal_jax" / "compiled")
    return os.environ.get("JAX_COMPILATION_CACHE_DIR", ours)


def _use_cache() -> None:
    """Compiled programs survive the process, so that a second start is quick."""
    import jax

    jax.config.update("jax_compilation_cache_dir", _cache_folder())
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@contextmanager
def _signals() -> Any:
    """SIGINT and SIGTERM are noted, and acted upon between chunks; twice: at once."""
    caught: list[int] = []

    def note(signum: int, frame: object) -> None:
        if caught:
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
        caught.append(signum)
        print("\nstopping after this chunk of steps; once more: at once", flush=True)

    watched = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(signum, note) for signum in watched]
    try:
        yield lambda: caught[0] if caught else None
    finally:
        for signum, handler in zip(watched, before, strict=True):
            signal.signal(signum, handler)


def _report(args: Sequence[str]) -> int:
    from gmmal_jax import report
    from gmmal_jax.report import figures

    if not args or args[0] in HELP:
        print("usage: gmmal report RUN [RUN ...]")
        return 0 if args else 2
    loaded = [report.load_run(Path(folder)) for folder in args]
    print(report.table(loaded))
    if len(args) == 1:
        paths = figures.draw_run(args[0])
    else:
        paths = figures.learning_curve(loaded, Path("learning_curve"))
    for path in paths:
        print(f"figure: {path}")
    return 0


def _methods(args: Sequence[str]) -> int:
    print(f"{'method':<18}{'learner':<10}{'query':<18}what")
    for name in methods.names():
        each = methods.entry(name)
        print(f"{name:<18}{each.learner:<10}{each.query:<18}{each.source}")
    print(f"\nevery pair: --learn {'|'.join(methods.LEARNERS)}", end=" ")
    print(f"--query {'|'.join(methods.STRATEGIES)}")
    return 0


def _datasets(args: Sequence[str]) -> int:
    from gmmal_jax.cli import datasets

    if args and args[0] == "prepare":
        return datasets.prepare(args[1:])
    if args and args[0] not in HELP:
        remedy = "gmmal datasets lists them, gmmal datasets prepare makes one"
        raise UserError("gmmal datasets does not know", args[0], remedy)
    datasets.show()
    return 0


def _doctor(args: Sequence[str]) -> int:
    from gmmal_jax.cli import doctor

    failed = 0
    for well, line in doctor.report(_cache_folder()):
        print(f"{'ok  ' if well else 'LOOK'} {line}", flush=True)
        failed += not well
    return 1 if failed else 0


def _one_path(args: Sequence[str], verb: str) -> str:
    if len(args) != 1 or args[0].startswith("-"):
        raise UserError(f"usage: gmmal {verb} RUN, got", " ".join(args) or None)
    return args[0]


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": _run,
    "resume": _resume,
    "report": _report,
    "methods": _methods,
    "datasets": _datasets,
    "doctor": _doctor,
}
