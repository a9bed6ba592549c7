"""The folder of a run: a run is started in it, or taken up."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax import bind, config as configs, switches
from gmmal_jax.bind import Arm, Run
from gmmal_jax.config import Config
from gmmal_jax.data import sources
from gmmal_jax.errors import UserError
from gmmal_jax.parallel import hosts
from gmmal_jax.storage import files, run_folder


class Opened(NamedTuple):
    """A run whose folder is held.

    Attributes:
      run: ready to go on.
      changed: lines about what changed since it began that may change the last
        digits; empty where it begins now.
    """

    run: Run
    changed: list[str]


@contextlib.contextmanager
def opened(
    config: Config | None,
    folder: Path,
    num_devices: int | None = None,
    resume: bool = True,
) -> Iterator[Opened]:
    """A run, started or taken up, while no other process may work in its folder.

    What is computed meanwhile does not depend on JAX's global switches.

    Args:
      config: None: that of the run in the folder.
      folder: new, or of the run that the configuration describes.
      num_devices: None: all.
      resume: false refuses a folder that holds a run, even this one.

    Raises:
      UserError: see `start` and `reopen`; the folder holds another run, or is in use;
        compilation is switched off.
    """
    switches.require_jit()
    if config is not None:
        # Before the lock, which would leave a file of its own there.
        hosts.told(lambda: _require_place(config, folder))
    with switches.pinned(), _held(folder):
        if config is None:
            yield reopen(folder, num_devices)
        elif resume and hosts.told(lambda: _is_there(config, folder)):
            yield reopen(folder, num_devices)
        else:
            yield Opened(start(config, folder, num_devices), [])


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The folder's lock; of several processes the first one has it."""
    with contextlib.ExitStack() as stack:
        hosts.together(
            lambda: stack.enter_context(files.lock(folder)) if hosts.leads() else None
        )
        yield


def _is_there(config: Config, folder: Path) -> bool:
    """Whether the folder holds the run of a configuration.

    Raises:
      UserError: it holds another one.
    """
    if not run_folder.holds_run(folder):
        return False
    if run_folder.differences(config, folder):
        raise run_folder.taken(config, folder)
    return True


def _require_place(config: Config, folder: Path) -> None:
    """Refuse a folder where a run cannot begin, unless one has.

    Raises:
      UserError: it holds files that the run would write over, or lies among the
        pictures.
    """
    if not run_folder.holds_run(folder):
        run_folder.require_free(folder)
        sources.require_outside(config.dataset, folder)


def start(config: Config, folder: Path, num_devices: int | None = None) -> Run:
    """Check everything that can be checked, then write the run's configuration.

    Raises:
      UserError: unusable options or data, or a folder that holds a run already, files
        of others that the run would write over, or the pictures.
    """

    def prepared() -> Run:
        if hosts.leads():
            if run_folder.holds_run(folder):
                raise run_folder.taken(config, folder)
            _require_place(config, folder)
        return bind.prepare(config, folder, num_devices)

    def write() -> None:
        try:
            for arm in run.arms:
                _write_config(arm, run.dataset)
            run_folder.write_skipped(folder, run.dataset.skipped)
        except UserError:
            run_folder.withdraw([arm.places.root for arm in run.arms])
            raise

    run = hosts.together(prepared)
    hosts.told(write)
    return run


def reopen(folder: Path, num_devices: int | None = None) -> Opened:
    """Take up a run where its records and checkpoints end.

    Raises:
      UserError: no run there, or its data is not what it was.
    """
    saved = hosts.told(lambda: run_folder.read_config(folder))
    run = hosts.together(lambda: _prepared_again(folder, saved, num_devices))

    def write() -> None:
        for arm in run.arms:
            # A kill between the first arm's configuration and the second's.
            if not run_folder.holds_run(arm.places.root):
                _write_config(arm, run.dataset)
        run_folder.write_skipped(folder, run.dataset.skipped)

    hosts.told(write)
    return Opened(run, run_folder.changes(saved, bind.environment_of(run.arms[-1])))


def _prepared_again(
    folder: Path, saved: dict[str, Any], num_devices: int | None
) -> Run:
    run_folder.require_packages(saved)
    config = _found_again(run_folder.saved_config(folder, saved), saved)
    try:
        run = bind.prepare(config, folder, num_devices, saved["data"].get("remember"))
    except UserError as error:  # nobody has typed the option now
        message = str(error).replace("--dataset: ", "the run's data: ")
        raise UserError(message) from None
    run_folder.require_same_data(saved, run.dataset)
    return run


def _found_again(config: Config, saved: dict[str, Any]) -> Config:
    """With the data's absolute places, unless they are gone and the given ones not."""
    places = saved["data"].get("places", {})
    dataset = places.get("dataset", config.dataset)
    if sources.is_there(dataset) or not sources.is_there(config.dataset):
        return configs.replace(config, **places)
    return config


def _write_config(arm: Arm, dataset: sources.Dataset) -> None:
    run_folder.write_config(arm.places.root, bind.described(arm, dataset))
