"""Options of `gmmal run`: texts -> settings, every fault in one line.

`--group.field VALUE ...`; a switch is `--group.field` or `--group.no-field`; `None`
leaves an optional value out. Types and ranges are the configuration's own.
"""

import dataclasses
import typing
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from gmmal_jax.config import Config
from gmmal_jax.config.checks import hints, option, unwrap
from gmmal_jax.config.plain import REMOVED
from gmmal_jax.errors import UserError, nearest

Given = dict[str, list[str]]
"""Option without dashes in front -> the texts that follow it."""


def split(args: Sequence[str]) -> Given:
    """Options and their texts; of repeated options the last counts.

    Raises:
      UserError: something that belongs to no option.
    """
    given: Given = {}
    texts: list[str] | None = None
    for arg in args:
        if arg.startswith("--"):
            name, equals, text = arg[2:].partition("=")
            texts = given[option(name)] = [text] if equals else []
        elif texts is None:
            remedy = "write --OPTION VALUE; see gmmal run --help"
            raise UserError("no option before", arg, remedy)
        else:
            texts.append(arg)
    return given


def parse(given: Given, others: Sequence[str] = ()) -> dict[str, object]:
    """Dotted field -> value.

    Args:
      given: from `split`.
      others: options of the command itself: valid names, read elsewhere.

    Raises:
      UserError: an unknown option or a text that is no value of its type; ranges
        are checked where the configuration is built.
    """
    known = dict(_fields(Config, ""))
    valid = {option(field): field for field in known}
    values: dict[str, object] = {}
    for name, texts in given.items():
        if name in others:
            continue
        positive = _without_no(name)
        if name in valid:
            values[valid[name]] = _read(texts, known[valid[name]], name)
        elif known.get(valid.get(positive, "")) is bool and not texts:
            values[valid[positive]] = False
        else:
            raise _unknown(name, [*valid, *others])
    return values


def _unknown(name: str, valid: Iterable[str]) -> UserError:
    if name in map(option, REMOVED):
        return UserError("the option is gone", f"--{name}", "leave it out")
    near = nearest(name, valid)
    remedy = f"did you mean --{near}?" if near else "see gmmal run --help"
    return UserError("unknown option", f"--{name}", remedy)


def one(given: Given, name: str) -> str | None:
    """The text of an option that takes one; None if it is not there.

    Raises:
      UserError: none or several.
    """
    return _single(given[name], name) if name in given else None


def several(given: Given, name: str) -> list[str]:
    """The texts of an option that takes at least one; none if it is not there.

    Raises:
      UserError: the option stands alone.
    """
    if name in given and not given[name]:
        raise UserError(f"--{name}", None, "it takes at least one value")
    return given.get(name, [])


def _fields(cls: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, hint in hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from _fields(hint, f"{prefix}{name}.")
        else:
            yield prefix + name, hint


def _without_no(name: str) -> str:
    *groups, leaf = name.split(".")
    return ".".join([*groups, leaf.removeprefix("no-")])


def _read(texts: list[str], hint: Any, name: str) -> object:
    hint, optional = unwrap(hint)
    if optional and texts == ["None"]:
        return None
    if typing.get_origin(hint) is tuple:
        several({name: texts}, name)
        return tuple(_value(text, typing.get_args(hint)[0]) for text in texts)
    if hint is bool and not texts:
        return True
    return _value(_single(texts, name), hint)


def _single(texts: list[str], name: str) -> str:
    if len(texts) != 1:
        raise UserError(f"--{name}", " ".join(texts) or None, "it takes one value")
    return texts[0]


def _value(text: str, hint: Any) -> object:
    """The text as its type; as it is where it is none, for the check to refuse."""
    kind = typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
