"""The configuration that stands in a run's folder."""

import json
import shlex
from pathlib import Path
from typing import Any

from gmmal_jax import config as configs
from gmmal_jax.config import Config
from gmmal_jax.config.checks import option
from gmmal_jax.errors import UserError

CONFIG_FILE = "config.json"


def read_config(folder: Path) -> dict[str, Any]:
    """The contents of a run's config.json.

    Raises:
      UserError: missing or damaged.
    """
    path = folder / CONFIG_FILE
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
    whole = isinstance(saved, dict) and all(
        isinstance(saved.get(part), dict) for part in parts
    )
    if not whole or "checksum" not in saved["data"]:
        raise UserError(f"{path}: not a run's configuration", None, damaged)
    return saved


def taken(config: Config, folder: Path) -> UserError:
    """The error for a folder that holds a run: this one, or which settings differ."""
    resume = f"continue it with `gmmal resume {shlex.quote(str(folder))}`"
    saved = read_config(folder)["config"]
    there = configs.from_dict(saved, str(folder / CONFIG_FILE))
    theirs, ours = (_flat(configs.to_dict(each)) for each in (there, config))
    free = {"out"}
    if config.clip_budget and there.cycles <= config.cycles:
        free.add("cycles")  # a clipped run wrote down those that it could do
    differ = [
        f"--{option(name)} is {theirs[name]!r} there, {value!r} here"
        for name, value in ours.items()
        if name not in free and theirs[name] != value
    ]
    if not differ:
        return UserError("--out: holds this very run", str(folder), resume)
    more = f" and {len(differ) - 1} more differ" if len(differ) > 1 else ""
    remedy = f"{differ[0]}{more}; name another --out, or {resume}"
    return UserError("--out: holds another run", str(folder), remedy)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted name -> value."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return flat
