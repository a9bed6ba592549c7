"""`gmmal run` and `gmmal resume`: arguments -> a run that shows itself and can stop."""

import json
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmmal_jax import methods
from gmmal_jax.cli import cluster, options, parser, seeds, signals
from gmmal_jax.cli.parser import Given, Option, Parsed, Verb
from gmmal_jax.cli.signals import Stopped
from gmmal_jax.config import Config, from_dict, presets, replace, to_dict
from gmmal_jax.config.checks import option
from gmmal_jax.config.plain import REMOVED
from gmmal_jax.errors import Interrupted, UserError

DEFAULT_DATASET = "digits"
OWN = (
    Option("config", "FILE", "Start from a saved configuration, such as a run's "
           "config.json, in place of the presets of data set and method; groups of "
           "settings that it lacks are those of its data set's preset."),
    Option("preset", "NAME ...", "Put presets on top, later ones over earlier ones: "
           f"{', '.join(presets.NAMED)} (gmmal datasets shows what each changes), and "
           f"{methods.OFFICIAL}: the protocol of the method's authors."),
)  # fmt: skip
"""Options that are no settings."""


def parse_run(args: Sequence[str]) -> Config:
    """The configuration that `gmmal run ARGS` means.

    A saved file (--config) comes first, its data set's preset where it lacks a group;
    without one that preset and what the method changes. Then come named presets
    (--preset) in their order, then the other options.

    Raises:
      UserError: an unknown or impossible option, an unusable file.
    """
    return configuration(parser.parse(RUN, args).given)


def configuration(given: Given) -> Config:
    """The configuration that options mean, as in `parse_run`."""
    values = options.read(given)
    names = parser.several(given, "preset")
    file = parser.one(given, "config")
    if file is None:
        return methods.configure({"dataset": DEFAULT_DATASET} | values, names)
    return methods.changed(_read_config(parser.path(file)), values, names)


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
    return replace(from_dict(_filled(saved.get("config", saved)), str(path)), out=None)


def _filled(saved: Any) -> Any:
    """With what the file lacks, as its data set's preset has it.

    A run's file has the groups of settings that its method reads, and no others: for
    another method they would be the paper's, however small the data set is.
    """
    dataset = (
        saved.get("dataset", Config().dataset) if isinstance(saved, dict) else None
    )
    if not isinstance(dataset, str):
        return saved  # refused where the configuration is built
    return to_dict(presets.preset(dataset)) | saved


def _defaults(parsed: Parsed) -> Mapping[str, str]:
    return options.shown(configuration(parsed.given))


def _run(parsed: Parsed) -> int:
    config = configuration(parsed.given)
    parallel = seeds.wanted(parsed.given)
    with cluster.joined(parsed.given):
        announce()
        return _execute(_new_folder(config), config, parallel)


def _new_folder(config: Config) -> Path:
    from gmmal_jax.parallel import hosts

    if config.out:
        return parser.path(config.out)
    name = f"{config.dataset}-{methods.label(config)}".replace(":", "-")
    # Clocks differ: it is the first process's.
    stamp = hosts.told(lambda: time.strftime("%Y%m%d-%H%M%S"))
    safe = name.replace(os.sep, "-")
    return Path("runs") / f"{safe}-{stamp}"


def _resume(parsed: Parsed) -> int:
    folder, parallel = parser.path(parsed.words[0]), seeds.wanted(parsed.given)
    with cluster.joined(parsed.given):
        from gmmal_jax.parallel import hosts
        from gmmal_jax.storage import run_folder

        hosts.told(lambda: run_folder.read_config(folder))
        announce()
        return _execute(folder, None, parallel)


def _execute(folder: Path, wanted: Config | None, parallel: int) -> int:
    """Start the run that is wanted in a new folder; None: go on with the one there."""
    from gmmal_jax.storage import run_folder

    try:
        return _show(folder, wanted, parallel)
    except Interrupted as interrupted:
        print(f"saved; {_go_on(folder)}")
        return 128 + interrupted.signum
    except BrokenPipeError:
        raise  # whoever read our lines has gone
    except OSError as error:
        if not run_folder.holds_run(folder):
            raise
        where = str(error.filename or folder)
        raise UserError(error.strerror or str(error), where, _go_on(folder)) from None
    except Stopped as stopped:
        ours = run_folder.holds_run(folder)
        print(f"\n{stopped}; {_go_on(folder)}" if ours else f"\n{stopped}")
        return 128 + stopped.signum


def _go_on(folder: Path) -> str:
    return f"go on with: gmmal resume {shlex.quote(str(folder))}"


def _show(folder: Path, wanted: Config | None, parallel: int) -> int:
    """Run, and tell a person how it goes; so many seeds side by side, unless it is 0.

    Raises:
      Interrupted: a signal came while it trained, which is saved.
      Stopped: one came before or after.
    """
    from gmmal_jax import estimate, loop, opening
    from gmmal_jax.cli import display
    from gmmal_jax.parallel import hosts
    from gmmal_jax.report import figures

    use_cache()
    places = seeds.places(parallel) if parallel else []
    with opening.opened(wanted, folder, resume=False) as (prepared, changed):
        config = prepared.config
        if wanted is not None and config.cycles < wanted.cycles:
            few = f"{config.cycles} of {wanted.cycles} cycles"
            changed = [f"{few}: the pool has no more rows"]
        for line in changed:
            print(f"note: {line}")
        print(f"folder: {folder}", flush=True)
        if hosts.num() > 1:
            print(f"{hosts.num()} processes; if one is lost, {_go_on(folder)}, in all")
        skipped = len(prepared.dataset.skipped)
        if skipped:
            print(
                f"skipped: {skipped} files, see {prepared.places.skipped}", flush=True
            )
        phases = {arm.label: len(arm.method.learner.phases) for arm in prepared.arms}
        work = estimate.of_run(prepared)
        with signals.noted() as stop:
            with display.Display(phases, config.seeds, config.cycles, work) as shown:
                if parallel:
                    seeds.execute(prepared, places, shown, stop)
                else:
                    loop.execute(prepared, shown, stop)
        late = stop()
        if late:  # it came in the last cycle's scoring: only pictures are left
            raise Stopped(late)
        if hosts.leads():
            drawn = figures.draw_run(folder)
            for line in display.summary(shown, folder, drawn, config.seeds):
                print(line)
    return 0


def announce() -> None:
    """Say which device computes."""
    from gmmal_jax.cli import doctor

    print(doctor.device_line(), flush=True)
    remedy = doctor.unused_accelerator()
    if remedy:
        print(remedy, flush=True)


def cache_folder() -> str | None:
    """Where compiled programs are kept; None: nowhere, for want of a home folder."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if given:
        return given
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:  # no HOME, and a user that the system does not know
        return None
    return str(home / "gmmal_jax" / "compiled")


def use_cache() -> None:
    """Compiled programs survive the process, so that a second start is quick."""
    import jax

    from gmmal_jax.cli import doctor

    folder = cache_folder()
    trouble = doctor.no_place(folder) if folder else None
    if trouble:
        print(f"note: {folder}: {trouble}", flush=True)
        folder = None
    elif folder is None:
        print(f"note: {doctor.NO_CACHE}", flush=True)
    update: Callable[[str, object], None] = jax.config.update
    update("jax_compilation_cache_dir", folder)
    update("jax_persistent_cache_min_compile_time_secs", 0.2)


RUN = Verb(
    "run",
    "",
    "choose labels cycle by cycle, beside a reference",
    _run,
    (*OWN, *options.settings(), *cluster.OPTIONS, seeds.OPTION),
    more=lambda: (
        "Without options: real digits, the paper's method beside random choice. "
        "Defaults are the paper's values, changed by the presets of data set and "
        "method; options win over both. They are shown for the data set and the "
        "options that are given beside --help."
    ),
    gone=tuple(map(option, REMOVED)),
    defaults=_defaults,
)
RESUME = Verb(
    "resume",
    "RUN",
    "go on with a run that was stopped or killed",
    _resume,
    (*cluster.OPTIONS, seeds.OPTION),
    more=lambda: (
        "RUN is the run's folder. It goes on from the last whole checkpoint, and ends "
        "as if it had never been stopped."
    ),
)
