"""The command line: argv -> Config -> run; messages and exit codes.

Exit codes: 0 done, 1 training diverged or a check failed, 2 unusable input, 130 and
143 stopped by Ctrl-C and SIGTERM with everything saved.
"""

import argparse
import io
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from gmmal_jax.config import Config, from_dict
from gmmal_jax.errors import Interrupted, TrainingDiverged, UserError
from gmmal_jax.presets import preset

USAGE = """usage: gmmal VERB [options]

  run              choose labels cycle by cycle beside a reference (run --help)
  resume RUN       go on with a run that was stopped or killed
  report RUN ...   table and figures of finished or running runs
  methods          the methods: learner and query strategy
  datasets         the data sets and what their presets change
  datasets prepare original files to a folder that TFDS reads, offline (--help)
  doctor           check this installation

gmmal run needs no option: real digits, the paper's method beside random choice."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    verb, rest = args[0], args[1:]
    try:
        if verb not in VERBS:
            raise UserError("unknown verb", verb, f"use one of {', '.join(VERBS)}")
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

    A saved file (--config) comes first, else the data set's preset; options after it
    win.

    Raises:
      UserError: an unknown or impossible option, an unusable file.
      SystemExit: --help (0).
    """
    import tyro

    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config")
    known, rest = first.parse_known_args(args)
    if known.config is not None:
        base = _read_config(Path(known.config))
    else:
        named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        named.add_argument("--dataset", default="digits")
        base = preset(named.parse_known_args(rest)[0].dataset)
    if not {"-h", "--help"} & set(rest):
        _refuse_unknown(rest)
    told = io.StringIO()
    try:
        with redirect_stderr(told):
            return tyro.cli(
                Config,
                args=rest,
                default=base,
                prog="gmmal run",
                description="Choose labels cycle by cycle. --config FILE starts from a "
                "saved configuration; options win over it. Defaults shown: the data "
                "set's preset.",
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        raise UserError(_first_paragraph(told.getvalue())) from None


def _first_paragraph(page: str) -> str:
    """What tyro's page of help says is wrong, as one line."""
    lines = [line.strip(" │╭╮╰╯─\n") for line in page.splitlines()]
    ruled = [i for i, line in enumerate(lines) if not line.strip("-")]
    inside = lines[ruled[0] + 1 : ruled[1]] if len(ruled) > 1 else lines
    return " ".join(line for line in inside if line) + "; see gmmal run --help"


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
    return from_dict({**saved.get("config", saved), "out": None})


def _refuse_unknown(args: Sequence[str]) -> None:
    """Name the nearest option, in one line, before tyro prints a page."""
    import difflib

    valid = sorted(_options(Config, ""))
    for arg in args:
        name = arg.split("=")[0].removeprefix("--").replace("_", "-")
        plain = name.rsplit(".", 1)
        negated = ".".join([*plain[:-1], plain[-1].removeprefix("no-")])
        if not arg.startswith("--") or name in valid or negated in valid:
            continue
        near = difflib.get_close_matches(name, valid, 1, 0.5)
        remedy = f"did you mean --{near[0]}?" if near else "see gmmal run --help"
        raise UserError("unknown option", f"--{name}", remedy)


def _options(cls: Any, prefix: str) -> set[str]:
    import dataclasses

    names: set[str] = set()
    for field in dataclasses.fields(cls):
        name = prefix + field.name.replace("_", "-")
        inner = field.default_factory
        nested = dataclasses.is_dataclass(inner)
        names |= _options(inner, f"{name}.") if nested else {name}
    return names


def _run(args: Sequence[str]) -> int:
    config = parse_run(args)
    _announce()
    from gmmal_jax import methods, setup

    name = f"{config.dataset}-{methods.label(config)}".replace(":", "-")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    safe = name.replace(os.sep, "-")
    folder = Path(config.out) if config.out else Path("runs") / f"{safe}-{stamp}"
    return _execute(folder, lambda: setup.start(config, folder))


def _resume(args: Sequence[str]) -> int:
    folder = Path(_one_path(args, "resume"))
    from gmmal_jax import setup

    setup.read_config(folder)
    _announce()

    def reopen() -> Any:
        reopened, changed = setup.reopen(folder)
        for line in changed:
            print(f"note: {line}")
        return reopened

    return _execute(folder, reopen)


def _execute(folder: Path, prepare: Callable[[], Any]) -> int:
    from gmmal_jax import display, figures, files, run

    _use_cache()
    with files.lock(folder):
        try:
            prepared = prepare()
        except UserError:
            files.remove_if_only_locked(folder)
            raise
        print(f"folder: {folder}", flush=True)
        skipped = len(prepared.dataset.skipped)
        if skipped:
            print(f"skipped: {skipped} files, see {folder / 'skipped.csv'}", flush=True)
        config = prepared.config
        phases = {arm.label: len(arm.method.learner.phases) for arm in prepared.arms}
        with _signals() as stop:
            try:
                with display.Display(phases, config.seeds, config.cycles) as shown:
                    run.execute(prepared, shown, stop)
            except Interrupted as interrupted:
                print(f"saved; go on with: gmmal resume {shlex.quote(str(folder))}")
                return 128 + interrupted.signum
            pictures = figures.draw_run(folder)
        for line in display.summary(shown, folder, pictures[0], config.seeds):
            print(line)
    return 0


def _announce() -> None:
    from gmmal_jax import doctor

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
    from gmmal_jax import figures, report

    if not args or args[0] in ("-h", "--help"):
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
    from gmmal_jax import methods

    print(f"{'method':<18}{'learner':<10}{'query':<18}what")
    for name, (learner, query) in methods.METHODS.items():
        print(f"{name:<18}{learner:<10}{query:<18}{methods.SOURCES[query]}")
    print(f"\nevery pair: --learn {'|'.join(methods.LEARNERS)}", end=" ")
    print(f"--query {'|'.join(methods.STRATEGIES)}")
    return 0


def _datasets(args: Sequence[str]) -> int:
    from gmmal_jax import datasets

    if args and args[0] == "prepare":
        return datasets.prepare(args[1:])
    if args and args[0] not in ("-h", "--help"):
        remedy = "gmmal datasets lists them, gmmal datasets prepare makes one"
        raise UserError("gmmal datasets does not know", args[0], remedy)
    datasets.show()
    return 0


def _doctor(args: Sequence[str]) -> int:
    from gmmal_jax import doctor

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
