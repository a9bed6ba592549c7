"""Data, devices and arms of a run, bound once."""

from collections.abc import Mapping
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
    train,
)
from gmmal_jax.config import Config
from gmmal_jax.data import sources, splits, store
from gmmal_jax.data.sources import features
from gmmal_jax.errors import UserError
from gmmal_jax.models import table
from gmmal_jax.phases import network as networks
from gmmal_jax.storage import checkpoint, layout, run_folder
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
      UserError: unusable options or data, a folder that checkpoints cannot go to.
    """
    methods.resolve(config)
    checkpoint.require_path(folder)
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


def described(arm: Arm, dataset: sources.Dataset) -> dict[str, Any]:
    """What makes a folder an arm's: settings, versions, the data."""
    return {
        "label": arm.label,
        "config": configs.to_dict(arm.config, arm.method.groups),
        "streams": keys.STREAMS,
        "versions": environment_of(arm),
        "data": run_folder.describe(dataset) | {"places": _places(arm.config)},
    }


def environment_of(arm: Arm) -> dict[str, Any]:
    """Of this process, and what other packages bring to the arm's method."""
    devices = parallel.all_devices(arm.trainer.mesh)
    return run_folder.environment(devices) | methods.versions(arm.config)


def _places(config: Config) -> dict[str, str]:
    places = {"dataset": sources.located(config.dataset)}
    for name in ("data_dir", "labels"):
        given = getattr(config, name)
        if given is not None:
            places[name] = str(Path(given).expanduser().absolute())
    return places
