"""A run's folder and everything that is bound once: data, devices, arms."""

import csv
import io
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax

from gmmal_jax import config as configs, keys, methods, parallel, train
from gmmal_jax.config import Config
from gmmal_jax.data import sources, splits, store
from gmmal_jax.errors import UserError
from gmmal_jax.phases import network as networks
from gmmal_jax.storage import files
from gmmal_jax.storage.run_folder import CONFIG_FILE, read_config, taken
from gmmal_jax.storage.saver import Arm

REFERENCE_FOLDER = "reference"
IDENTITY = ("checksum", "train", "test", "classes")
"""What makes data the same; its moments may differ in their last digits."""
SKIPPED_FILE = "skipped.csv"
PACKAGES = ("gmmal_jax", "jax", "jaxlib", "numpy")
MACHINE = ("python", "device", "devices", "cores")
"""What a run's versions hold beside the packages that it needs."""


class Run(NamedTuple):
    """A run, ready to go on.

    Attributes:
      config: of the method (a reference has its own).
      folder: of the run.
      dataset: loaded.
      arms: the reference, where asked for, then the method: the quick one first, so
        that a person sees something soon.
      images: of the training part, placed.
    """

    config: Config
    folder: Path
    dataset: sources.Dataset
    arms: tuple[Arm, ...]
    images: store.Images


def start(config: Config, folder: Path, num_devices: int | None = None) -> Run:
    """Check everything that can be checked, then write the run's configuration.

    Raises:
      UserError: unusable options or data, or a folder that holds a run already.
    """
    if (folder / CONFIG_FILE).exists():
        raise taken(config, folder)
    run = _prepare(config, folder, num_devices)
    try:
        for arm in run.arms:
            _write_config(arm, run.dataset)
        _write_skipped(run)
    except UserError:
        for arm in run.arms:
            (arm.folder / CONFIG_FILE).unlink(missing_ok=True)
        files.remove_empty(arm.folder for arm in run.arms)
        raise
    return run


def reopen(folder: Path, num_devices: int | None = None) -> tuple[Run, list[str]]:
    """Take up a run where its records and checkpoints end.

    Returns:
      The run and lines about what changed since that may change the last digits.

    Raises:
      UserError: no run there, or its data is not what it was.
    """
    saved = read_config(folder)
    _require_packages(saved["versions"])
    config = configs.from_dict(saved["config"], str(folder / CONFIG_FILE))
    run = _prepare(config, folder, num_devices)
    now_there = _describe(run.dataset)
    if any(saved["data"].get(name) != now_there[name] for name in IDENTITY):
        remedy = "restore the data that the run began with"
        raise UserError(
            "data set changed since the run began", run.config.dataset, remedy
        )
    now = _environment(run.arms[-1])
    changed = [
        f"{name} was {old}, is {now[name]}: results agree to rounding only"
        for name, old in saved["versions"].items()
        if name in now and now[name] != old
    ]
    for arm in run.arms:
        # A kill between the first arm's configuration and the second's.
        if not (arm.folder / CONFIG_FILE).exists():
            _write_config(arm, run.dataset)
    _write_skipped(run)
    return run, changed


def _prepare(config: Config, folder: Path, num_devices: int | None) -> Run:
    methods.resolve(config)
    dataset = sources.load(config.dataset, config.data_dir, config.image_size)
    dataset = _normalized(dataset, config.data)
    config = splits.clipped(config, dataset)
    for seed in config.seeds:
        splits.make(config, dataset, seed)
    mesh = parallel.make_mesh(num_devices)
    arms = [_arm(config, folder, dataset, mesh)]
    if config.reference == "random" and methods.label(config) != "random":
        plain = methods.reference(config)
        other = _arm(plain, folder / REFERENCE_FOLDER, dataset, mesh)
        arms.insert(0, other)
    images = store.from_array(dataset.train_images)
    placed = parallel.placed(mesh, images, config.data.placement)
    return Run(config, folder, dataset, tuple(arms), placed)


def _normalized(dataset: sources.Dataset, data: configs.DataConfig) -> sources.Dataset:
    """With the moments that the options give."""

    def chosen(
        name: str, given: tuple[float, ...] | None, own: tuple[float, ...]
    ) -> tuple[float, ...]:
        if given is not None and len(given) != len(own):
            remedy = f"name one number a channel: {dataset.name} has {len(own)}"
            raise UserError(f"--data.{name}", given, remedy)
        return own if given is None else tuple(map(float, given))

    return dataset._replace(
        mean=chosen("mean", data.mean, dataset.mean),
        std=chosen("std", data.std, dataset.std),
    )


def _arm(
    config: Config,
    folder: Path,
    dataset: sources.Dataset,
    mesh: jax.sharding.Mesh,
) -> Arm:
    num_classes = len(dataset.class_names)
    network = networks.make(
        config.model,
        config.channels,
        num_classes,
        dataset.train_images.shape[1:],
        dataset.mean,
        dataset.std,
        config.data.pad,
        config.data.flip,
        config.train.precision,
    )
    method = methods.make(network, config)
    trainer = train.make_trainer(
        method.learner, mesh, config.train.chunk_steps, num_classes
    )
    return Arm(methods.label(config), folder, config, method, trainer)


def _write_config(arm: Arm, dataset: sources.Dataset) -> None:
    body = {
        "label": arm.label,
        "config": configs.to_dict(arm.config),
        "streams": keys.STREAMS,
        "versions": _environment(arm),
        "data": _describe(dataset),
    }
    _write(arm.folder / CONFIG_FILE, json.dumps(body, indent=2) + "\n")


def _describe(dataset: sources.Dataset) -> dict[str, Any]:
    """What must be as it was when a run goes on."""
    return {
        "checksum": dataset.checksum,
        "train": list(dataset.train_images.shape),
        "test": list(dataset.test_images.shape),
        "classes": list(dataset.class_names),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
    }


def _write_skipped(run: Run) -> None:
    """List the files that are no readable picture; no list where there are none."""
    if not run.dataset.skipped:
        return
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(
        [("path", "reason"), *run.dataset.skipped]
    )
    # A file's name need not be UTF-8.
    content = table.getvalue().encode(errors="surrogateescape")
    _write(run.folder / SKIPPED_FILE, content)


def _write(path: Path, content: bytes | str) -> None:
    try:
        files.write_atomic(path, content)
    except OSError as error:
        remedy = "name a folder that can be written to"
        what = f"--out: {error.strerror or error}"
        raise UserError(what, str(path.parent), remedy) from None


def _environment(arm: Arm) -> dict[str, Any]:
    """What equal bits depend on beside the configuration."""
    devices = arm.trainer.mesh.devices.flat
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": _cores(),
        **methods.versions(arm.config),
    }


def _require_packages(versions: dict[str, Any]) -> None:
    """Refuse to go on without the packages that brought a run's method or network."""
    for name in versions.keys() - {*PACKAGES, *MACHINE}:
        try:
            version(name)
        except PackageNotFoundError:
            remedy = "install it, then resume"
            package = f"{name} {versions[name]}"
            raise UserError("the run needs a package", package, remedy) from None


def _cores() -> int:
    """Cores this process may use: XLA splits its sums by them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
