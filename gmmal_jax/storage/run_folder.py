"""What makes a folder a run's: its configuration, and what equal bits depend on."""

import csv
import io
import json
import os
import platform
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gmmal_jax import config as configs
from gmmal_jax.config import Config
from gmmal_jax.config.checks import option
from gmmal_jax.data.sources import Dataset, tables
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files, layout, records

PACKAGES = ("gmmal_jax", "jax", "jaxlib", "numpy")
MACHINE = ("python", "device", "devices", "cores")
"""What a run's versions hold beside the packages that it needs."""
IDENTITY = ("checksum", "train", "test", "classes")
"""What makes data the same; its moments may differ in their last digits."""
Values = dict[str, Any]


def holds_run(folder: Path) -> bool:
    """Whether a run began in the folder."""
    return layout.of(folder).config.exists()


def require_free(folder: Path) -> None:
    """Refuse a folder without a run whose files a run would write over.

    A start that was killed has left at most the reference's configuration there: the
    method's, by which `holds_run` knows a run, comes after it.

    Raises:
      UserError: it holds one.
    """
    there = layout.of(folder)
    reference = layout.of(there.reference)
    for path in there.written(records.tables([])):
        ours = path == reference.root and _is_begun(reference)
        if os.path.lexists(path) and not ours:
            remedy = "choose a folder of its own"
            raise UserError("--out: holds other files", str(path), remedy)


def _is_begun(reference: layout.Layout) -> bool:
    """Whether a start has written a configuration, and nobody anything else."""
    try:
        names = {path.name for path in reference.root.iterdir()}
        if reference.config.name in names:
            read_config(reference.root)
    except (OSError, UserError):
        return False
    return {name for name in names if name[0] != "."} <= {reference.config.name}


def read_config(folder: Path) -> Values:
    """The contents of a run's config.json.

    Raises:
      UserError: missing or damaged.
    """
    path = layout.of(folder).config
    damaged = "restore it, or start a new run"
    try:
        saved = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            "no run in folder", str(folder), "name a run's folder"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", None, damaged) from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON", str(error), damaged) from None
    parts = ("config", "versions", "data")
    if (
        not isinstance(saved, dict)
        or not all(isinstance(saved.get(part), dict) for part in parts)
        or "checksum" not in saved["data"]
    ):
        raise UserError(f"{path}: not a run's configuration", None, damaged)
    return saved


def saved_config(folder: Path, saved: Values) -> Config:
    """The configuration in what `read_config` gave.

    Raises:
      UserError: it holds a setting that there is not, or an impossible value.
    """
    return configs.from_dict(saved["config"], str(layout.of(folder).config))


def write_config(folder: Path, body: Values) -> None:
    """Write config.json.

    Args:
      folder: of the run, or of its reference.
      body: label, config, streams, versions (see `environment`) and data (see
        `describe`).

    Raises:
      UserError: the folder cannot be written to.
    """
    _write(layout.of(folder).config, json.dumps(body, indent=2) + "\n")


def withdraw(folders: Sequence[Path]) -> None:
    """Take back what `write_config` wrote there, of a run that could not begin."""
    for folder in folders:
        layout.of(folder).config.unlink(missing_ok=True)
    files.remove_empty(folders)


def write_skipped(folder: Path, skipped: Iterable[tuple[str, str]]) -> None:
    """List the files that are no readable picture; no list where there are none.

    Raises:
      UserError: the folder cannot be written to.
    """
    rows = [("path", "reason"), *skipped]
    if len(rows) == 1:
        return
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows(map(tables.cell, row) for row in rows)
    # A file's name need not be UTF-8.
    content = table.getvalue().encode(errors="surrogateescape")
    _write(layout.of(folder).skipped, content)


def describe(dataset: Dataset) -> Values:
    """What must be as it was when a run goes on."""
    return {
        "checksum": dataset.checksum,
        "train": list(dataset.train_images.shape),
        "test": list(dataset.test_images.shape),
        "classes": list(dataset.class_names),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        **({"remember": dataset.remember} if dataset.remember else {}),
    }


def require_same_data(saved: Values, dataset: Dataset) -> None:
    """Refuse to go on with other data than the run began with.

    Raises:
      UserError: the data has changed.
    """
    now = describe(dataset)
    if any(saved["data"].get(name) != now[name] for name in IDENTITY):
        remedy = "restore the data that the run began with"
        raise UserError("data set changed since the run began", dataset.name, remedy)


def changes(saved: Values, now: Values) -> list[str]:
    """Lines about what differs since then that may change the last digits."""
    return [
        f"{name} was {old}, is {now[name]}: results agree to rounding only"
        for name, old in saved["versions"].items()
        if name in now and now[name] != old
    ]


def require_packages(saved: Values) -> None:
    """Refuse to go on without the packages that brought a run's method or network.

    Raises:
      UserError: one is not installed.
    """
    for name in saved["versions"].keys() - {*PACKAGES, *MACHINE}:
        try:
            version(name)
        except PackageNotFoundError:
            remedy = "install it, then resume"
            package = f"{name} {saved['versions'][name]}"
            raise UserError("the run needs a package", package, remedy) from None


def environment(devices: Sequence[Any]) -> Values:
    """What equal bits depend on beside the configuration.

    Args:
      devices: that share each batch.
    """
    return {
        **{name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "cores": cores(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # a source tree on the path, on a borrowed machine
        return "not installed"


def differences(config: Config, folder: Path) -> list[str]:
    """Settings in which a configuration differs from that of the run in a folder.

    Raises:
      UserError: see `read_config` and `saved_config`.
    """
    saved = read_config(folder)
    there = saved_config(folder, saved)
    # Of groups that the method does not read nothing was written down.
    read = saved["config"].keys()
    theirs, ours = (flat(configs.to_dict(each, read)) for each in (there, config))
    free = {"out"}
    if config.clip_budget and there.cycles <= config.cycles:
        free.add("cycles")  # a clipped run wrote down those that it could do
    return [
        f"--{option(name)} is {theirs[name]!r} there, {value!r} here"
        for name, value in ours.items()
        if name not in free and theirs[name] != value
    ]


def taken(config: Config, folder: Path) -> UserError:
    """The error for a folder that holds a run: this one, or which settings differ."""
    resume = f"continue it with `gmmal resume {shlex.quote(str(folder))}`"
    differ = differences(config, folder)
    if not differ:
        return UserError("--out: holds this very run", str(folder), resume)
    more = f" and {len(differ) - 1} more differ" if len(differ) > 1 else ""
    remedy = f"{differ[0]}{more}; name another --out, or {resume}"
    return UserError("--out: holds another run", str(folder), remedy)


def _write(path: Path, content: bytes | str) -> None:
    try:
        files.write_atomic(path, content)
    except OSError as error:
        remedy = "name a folder that can be written to"
        what = f"--out: {error.strerror or error}"
        raise UserError(what, str(path.parent), remedy) from None


def cores() -> int:
    """Cores this process may use: XLA splits its sums by them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def flat(values: Values, prefix: str = "") -> Values:
    """Dotted name -> value."""
    found: Values = {}
    for name, value in values.items():
        inner = isinstance(value, dict)
        found |= flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return found
