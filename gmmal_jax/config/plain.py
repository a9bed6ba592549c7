"""A configuration as plain values and back, and with fields replaced.

Values are checked before they reach a constructor, as a run-time type checker may
guard it with errors of its own.
"""

import dataclasses
import typing
from collections.abc import Collection
from typing import Annotated, Any

from gmmal_jax.config.checks import check_fields, hints, option, require, unwrap
from gmmal_jax.config.run import Config
from gmmal_jax.errors import UserError, unknown

REMOVED = {"gmm.feature_mode": "eval"}
"""Dotted fields that older files have -> the one value that is still what is done."""


OF_EVERY_RUN = frozenset({"data", "train", "select", "checkpoint"})
"""Groups of settings that matter whatever the method is."""


def to_dict(config: Config, groups: Collection[str] | None = None) -> dict[str, Any]:
    """The configuration as plain nested values, for JSON.

    Args:
      config: the whole.
      groups: those that the method reads; others are left out, but for those of every
        run. None: all.
    """
    values = dataclasses.asdict(config)
    if groups is None:
        return values
    kept = OF_EVERY_RUN | {*groups}
    return {
        name: value
        for name, value in values.items()
        if not isinstance(value, dict) or name in kept
    }


def from_dict(values: Any, source: str = "configuration") -> Config:
    """Rebuild a configuration that `to_dict` wrote.

    Args:
      values: nested plain values.
      source: the file they are from, for messages.

    Raises:
      UserError: a field is unknown or holds an impossible value.
    """
    try:
        config: Config = _build(Config, _without_a_clash(values), "")
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    return config


def _without_a_clash(values: Any) -> Any:
    """The same; a stage 2 that nobody read is one that the chunks of steps allow."""
    if isinstance(values, dict) and "da" not in values:
        train = values.get("train")
        chunk = train.get("chunk_steps") if isinstance(train, dict) else None
        if isinstance(chunk, int) and not isinstance(chunk, bool) and chunk > 0:
            return values | {"da": {"refit_every": chunk}}
    return values


def _build(cls: Any, values: Any, prefix: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if not isinstance(values, dict):
        remedy = "use a group of settings, as in a run's config.json"
        raise UserError(prefix.rstrip("."), values, remedy)
    kwargs = {}
    for name, value in values.items():
        if prefix + name in REMOVED:
            was = REMOVED[prefix + name]
            remedy = f"the option is gone and only {was!r} is left: start a new run"
            require(value == was, option(prefix + name), value, remedy)
            continue
        if name not in fields:
            known = [prefix + field for field in fields]
            raise unknown("no field", prefix + name, known)
        factory = fields[name].default_factory
        if dataclasses.is_dataclass(factory):
            kwargs[name] = _build(factory, value, f"{prefix}{name}.")
        else:
            kwargs[name] = tuple(value) if isinstance(value, list) else value
    check_fields(cls, kwargs)
    return cls(**{n: _as_declared(v, hints(cls)[n]) for n, v in kwargs.items()})


def _as_declared(value: Any, hint: Any) -> Any:
    """A checked value; JSON has whole numbers without a point, floats included."""
    hint, _ = unwrap(hint)
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if isinstance(value, tuple):
        return tuple(_as_declared(item, typing.get_args(hint)[0]) for item in value)
    return float(value) if hint is float and value is not None else value


def replace(config: Config, **values: object) -> Config:
    """A configuration with dotted fields replaced, all at once.

    Example: `replace(config, **{"train.steps": 300, "model": "small"})`.

    Raises:
      UserError: an impossible value.
    """
    top: dict[str, Any] = {k: v for k, v in values.items() if "." not in k}
    groups: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if "." in name:
            group, leaf = name.split(".", 1)
            groups.setdefault(group, {})[leaf] = value
    for group, leaves in groups.items():
        check_fields(type(getattr(config, group)), leaves)
        top[group] = dataclasses.replace(getattr(config, group), **leaves)
    check_fields(Config, top)
    return dataclasses.replace(config, **top)
