"""A configuration as plain values and back, and with fields replaced."""

import dataclasses
from typing import Any

from gmmal_jax.config.run import Config
from gmmal_jax.errors import UserError


def to_dict(config: Config) -> dict:
    """The configuration as plain nested values, for JSON."""
    return dataclasses.asdict(config)


def from_dict(values: dict) -> Config:
    """Rebuild a configuration that `to_dict` wrote.

    Raises:
      UserError: a field is unknown or holds an impossible value.
    """
    return _build(Config, values, "")


def _build(cls: Any, values: dict, prefix: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls)}
    kwargs = {}
    for name, value in values.items():
        if name not in fields:
            raise UserError(
                "configuration file", f"{prefix}{name}", "no such field; remove it"
            )
        factory = fields[name].default_factory
        if dataclasses.is_dataclass(factory):
            kwargs[name] = _build(factory, value, f"{prefix}{name}.")
        else:
            kwargs[name] = tuple(value) if isinstance(value, list) else value
    return cls(**kwargs)


def replace(config: Config, **values: object) -> Config:
    """A configuration with dotted fields replaced, all at once.

    Example: `replace(config, **{"train.steps": 300, "model": "small"})`.
    """
    top: dict = {k: v for k, v in values.items() if "." not in k}
    groups: dict[str, dict] = {}
    for name, value in values.items():
        if "." in name:
            group, leaf = name.split(".", 1)
            groups.setdefault(group, {})[leaf] = value
    for group, leaves in groups.items():
        top[group] = dataclasses.replace(getattr(config, group), **leaves)
    return dataclasses.replace(config, **top)
