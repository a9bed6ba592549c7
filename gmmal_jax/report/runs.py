"""A run's folder, read."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from gmmal_jax.errors import UserError
from gmmal_jax.storage import layout, records


class Run(NamedTuple):
    """A run's folder, read.

    Attributes:
      folder: where it lies.
      label: its name in tables and legends.
      config: the resolved configuration, as plain values.
      records: its finished cycles, sorted by seed and cycle; never empty.
      reference: the comparison arm from the same starts, if the run has one.
      versions: of what equal bits depend on, as written down at its start.
      data: what was written down of its data set: checksum, names of classes, ...
    """

    folder: Path
    label: str
    config: dict[str, Any]
    records: list[records.Record]
    reference: "Run | None" = None
    versions: dict[str, Any] = {}
    data: dict[str, Any] = {}


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run's folder, and the reference arm inside it if there is one.

    Raises:
      UserError: the folder is missing, is no run's, has no finished cycle yet, or
        holds a damaged record.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("no such folder", str(folder), "name the folder of a run")
    places = layout.of(folder)
    config = _read_config(places.config)
    loaded = records.load(folder)
    if not loaded:
        remedy = "wait for the first cycle to end, or `gmmal resume`"
        raise UserError("no finished cycle yet", str(folder), remedy)
    started = layout.of(places.reference).records.is_dir()
    arm = load_run(places.reference) if started else None
    return Run(
        folder,
        config["label"],
        config["config"],
        loaded,
        arm,
        config.get("versions", {}),
        config.get("data", {}),
    )


def _read_config(path: Path) -> dict[str, Any]:
    remedy = "name the folder that `gmmal run` wrote"
    foreign = UserError("not a run's folder", str(path.parent), remedy)
    try:
        config: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise foreign from None
    except ValueError:
        remedy = "restore it from a copy"
        raise UserError("configuration is damaged", str(path), remedy) from None
    if not isinstance(config, dict) or not {"label", "config"} <= config.keys():
        raise foreign  # a file of that name is of many programs
    return config
