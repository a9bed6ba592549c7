"""Data, devices and arms of a run, bound once, when it is started or taken up."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax import (
    assembly,
    config as configs,
    cycle as cycles,
    keys,
    memory,
    methods,
    parallel,
    switches,
    train,
)
from gmmal_jax.config import Config
from gmmal_jax.data import sources, splits, store
from gmmal_jax.data.sources import features
from gmmal_jax.errors import UserError
from gmmal_jax.models import table
from gmmal_jax.parallel import hosts
from gmmal_jax.phases import network as networks
from gmmal_jax.storage import files, layout, run_folder
from gmmal_jax.storage.layout import Layout

_WIDTH = 64
"""Channels of a network that does not say how many it has."""


class Arm(NamedTuple):
    """One method of a run, in its own folder.

    Attributes:
      label: what tables call it.
      places: of its files.
      config: of this arm.
      method: learner and strategy.
      trainer: of the learner.
    """

    label: str
    places: Layout
    config: Config
    method: assembly.Method
    trainer: train.Trainer


class Run(NamedTuple):
    """A run, ready to go on.

    Attributes:
      config: of the method (a reference has its own).
      places: of its files.
      dataset: loaded.
      images: of the training part, placed: one copy for all arms and seeds.
      evaluated: of the part that evaluation rows index, likewise.
      splits: seed -> its rows, in the order of the seeds.
      arms: the reference, where asked for, then the method: the quick one first, so
        that a person sees something soon.
      budgets: labels to ask for, a number a cycle; none in the last.
      room: what may be held; None: all.
    """

    config: Config
    places: Layout
    dataset: sources.Dataset
    images: store.Images
    evaluated: store.Images
    splits: dict[int, splits.Split]
    arms: tuple[Arm, ...]
    budgets: tuple[int, ...]
    room: memory.Room | None = None


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


def start(config: Config, folder: Path, num_devices: int | None = None) -> Run:
    """Check everything that can be checked, then write the run's configuration.

    Raises:
      UserError: unusable options or data, or a folder that holds a run already.
    """

    def prepared() -> Run:
        if hosts.leads() and run_folder.holds_run(folder):
            raise run_folder.taken(config, folder)
        return prepare(config, folder, num_devices)

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
    return Opened(run, run_folder.changes(saved, _environment(run.arms[-1])))


def _prepared_again(
    folder: Path, saved: dict[str, Any], num_devices: int | None
) -> Run:
    run_folder.require_packages(saved)
    config = _found_again(run_folder.saved_config(folder, saved), saved)
    try:
        run = prepare(config, folder, num_devices, saved["data"].get("remember"))
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


def _places(config: Config) -> dict[str, str]:
    places = {"dataset": sources.located(config.dataset)}
    for name in ("data_dir", "labels"):
        given = getattr(config, name)
        if given is not None:
            places[name] = str(Path(given).expanduser().absolute())
    return places


def loaded(
    config: Config, remembered: Mapping[str, Any] | None = None
) -> sources.Dataset:
    """The data set of a configuration, normalized as it says.

    Args:
      config: names the data.
      remembered: see `prepare`.

    Raises:
      UserError: it cannot be used.
    """
    given = features.Given(config.labels, config.data.broken, remembered)
    found = sources.load(config.dataset, config.data_dir, config.image_size, given)
    return _normalized(found, config.data)


def prepare(
    config: Config,
    folder: Path,
    num_devices: int | None = None,
    remembered: Mapping[str, Any] | None = None,
) -> Run:
    """Bind a run without writing anything.

    Args:
      config: of the run.
      folder: of the run.
      num_devices: None: all.
      remembered: what an earlier start found out of the data's files, see
        `sources.features.Given`.

    Raises:
      UserError: unusable options or data.
    """
    methods.resolve(config)
    dataset = loaded(config, remembered)
    config = clipped(config, dataset)
    wanted = wanted_of(config)
    parts = {seed: splits.make(wanted, dataset, seed) for seed in config.seeds}
    mesh = parallel.make_mesh(num_devices)
    room = room_of(config, dataset, network_of(config, dataset).latent_size)
    images = placed(mesh, dataset.train_images, config, room)
    evaluated = images
    if config.eval == "test" and dataset.has_test_part:  # else it is never read
        evaluated = placed(mesh, dataset.test_images, config, room)
    places = layout.of(folder)
    arms = [arm_of(config, places, dataset, mesh, room)]
    if config.reference == "random" and methods.label(config) != "random":
        plain = methods.reference(config)
        arms.insert(0, arm_of(plain, layout.of(places.reference), dataset, mesh, room))
    budgets = (config.budget,) * (config.cycles - 1) + (0,)
    return Run(
        config, places, dataset, images, evaluated, parts, tuple(arms), budgets, room
    )


def room_of(
    config: Config, dataset: sources.Dataset, latent_size: int
) -> memory.Room | None:
    """What may be held of a pool; None: all.

    Args:
      config: has the bound.
      dataset: loaded.
      latent_size: d.

    Raises:
      UserError: the bound is too small.
    """
    if config.memory_gb is None:
        return None
    arrays = dataset.train_images, dataset.test_images
    fixed, num = memory.held(arrays), max(map(len, arrays))
    if dataset.pictures:
        known = table.NETWORKS.get(config.model)
        width = config.width or (known.width if known else _WIDTH)
        one = dataset.train_images[:1].nbytes
        fixed += memory.of_steps(one, 2 * config.train.batch_size, width)
    classes = len(dataset.class_names)
    return memory.room(config.memory_gb, num, latent_size, classes, fixed)


def placed(
    mesh: jax.sharding.Mesh,
    rows: np.ndarray,
    config: Config,
    room: memory.Room | None = None,
) -> store.Images:
    """Rows of a data set, for the devices, if there is room for a copy."""
    images, most = store.from_array(rows), room and room.resident_bytes
    return parallel.placed(mesh, images, config.data.placement, most)


def task(run: Run, arm: Arm, seed: int) -> cycles.Task:
    """What stays the same over the cycles of one arm and seed."""
    data, split = run.dataset, run.splits[seed]
    labels = {"train": data.train_labels, "test": data.test_labels}[split.evaluation]
    return cycles.Task(
        seed=seed,
        method=arm.method,
        trainer=arm.trainer,
        images=run.images.take(split.pool),
        evaluation=run.evaluated.take(split.evaluation_rows),
        evaluation_labels=labels[split.evaluation_rows],
        select=arm.config.select,
        continued=arm.config.train.init == "continue",
        refit_rows=arm.config.gmm.refit_rows,
        room=run.room,
    )


def wanted_of(config: Config) -> splits.Wanted:
    """What the splits of a run have to give."""
    return splits.Wanted(
        setting=config.setting,
        evaluation=config.eval,
        data=config.data,
        initial=config.initial,
        labels=config.labels_wanted(),
    )


def clipped(config: Config, dataset: sources.Dataset) -> Config:
    """With the cycles whose labels every seed's pool holds, under `clip_budget`."""
    if not config.clip_budget:
        return config
    wanted = wanted_of(config)
    queries = splits.queries_held(wanted, dataset, config.seeds, config.budget)
    return configs.replace(config, cycles=min(config.cycles, 1 + queries))


def _normalized(dataset: sources.Dataset, data: configs.DataConfig) -> sources.Dataset:
    """With the moments that the options give."""

    def chosen(
        name: str, given: tuple[float, ...] | None, own: tuple[float, ...]
    ) -> tuple[float, ...]:
        if given is not None and len(given) != len(own):
            each = "a channel" if dataset.pictures else "a feature"
            remedy = f"name one number {each}: {dataset.name} has {len(own)}"
            raise UserError(f"--data.{name}", given, remedy)
        return own if given is None else tuple(map(float, given))

    return dataset._replace(
        mean=chosen("mean", data.mean, dataset.mean),
        std=chosen("std", data.std, dataset.std),
    )


def arm_of(
    config: Config,
    places: Layout,
    dataset: sources.Dataset,
    mesh: jax.sharding.Mesh,
    room: memory.Room | None = None,
) -> Arm:
    """A method bound to data and devices.

    Args:
      config: of the arm.
      places: of its files.
      dataset: loaded.
      mesh: devices.
      room: what may be held of a readout; None: all.

    Raises:
      UserError: they do not go together.
    """
    method = assembly.make(network_of(config, dataset), config)
    stored = store.from_array(dataset.train_images)
    assembly.check(method, config, stored.shape[1:], stored.dtype)
    trainer = train.make_trainer(
        method.learner,
        mesh,
        config.train.chunk_steps,
        len(dataset.class_names),
        room,
    )
    return Arm(methods.label(config), places, config, method, trainer)


def network_of(config: Config, dataset: sources.Dataset) -> networks.Network:
    """The task network for a data set.

    Raises:
      UserError: they do not go together.
    """
    return networks.make(
        config.model,
        config.width,
        len(dataset.class_names),
        networks.ImageForm(
            dataset.train_images.shape[1:],
            dataset.mean,
            dataset.std,
            config.data.pad,
            config.data.flip,
            config.train.precision,
            config.data.dropout,
            config.data.noise,
        ),
    )


def _write_config(arm: Arm, dataset: sources.Dataset) -> None:
    run_folder.write_config(arm.places.root, described(arm, dataset))


def described(arm: Arm, dataset: sources.Dataset) -> dict[str, Any]:
    """What makes a folder an arm's: settings, versions, the data."""
    return {
        "label": arm.label,
        "config": configs.to_dict(arm.config, arm.method.groups),
        "streams": keys.STREAMS,
        "versions": _environment(arm),
        "data": run_folder.describe(dataset) | {"places": _places(arm.config)},
    }


def _environment(arm: Arm) -> dict[str, Any]:
    """Of this process, and what other packages bring to the arm's method."""
    devices = parallel.all_devices(arm.trainer.mesh)
    return run_folder.environment(devices) | methods.versions(arm.config)
