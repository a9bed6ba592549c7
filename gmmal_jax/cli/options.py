"""Settings as options: their names, kinds and texts; texts that were given -> values.

`None` leaves an optional value out. Types and ranges are the configuration's own.
"""

import ast
import dataclasses
import inspect
import sys
import typing
from collections.abc import Iterator
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Literal, NamedTuple

from gmmal_jax.cli import parser
from gmmal_jax.cli.parser import Given, Option
from gmmal_jax.config import Config
from gmmal_jax.config.checks import hints, option, unwrap

_KINDS = {int: "INT", float: "NUMBER", str: "TEXT", bool: ""}


class Field(NamedTuple):
    """A setting.

    Attributes:
      name: dotted.
      hint: its annotation.
      text: its docstring.
      group: first line of its group's docstring.
    """

    name: str
    hint: Any
    text: str
    group: str


@cache
def fields() -> tuple[Field, ...]:
    """Every setting, in the order of the configuration."""
    return tuple(sorted(_fields(Config, ""), key=lambda field: "." in field.name))


def settings() -> tuple[Option, ...]:
    """Every setting as an option."""
    return tuple(
        Option(option(field.name), _value_of(field.hint), field.text, field.group)
        for field in fields()
    )


def shown(config: Config) -> dict[str, str]:
    """Option -> its value in a configuration, as one would type it."""

    def text(value: object) -> str:
        return " ".join(map(str, value if isinstance(value, tuple) else (value,)))

    return {
        option(field.name): text(attrgetter(field.name)(config)) for field in fields()
    }


def read(given: Given) -> dict[str, object]:
    """Dotted field -> value; other options are passed over.

    Raises:
      UserError: too few or too many texts; a text that is no value of its type is
        refused where the configuration is built.
    """
    return {
        field.name: _read(given[option(field.name)], field.hint, option(field.name))
        for field in fields()
        if option(field.name) in given
    }


def _fields(cls: Any, prefix: str) -> Iterator[Field]:
    texts = _docstrings(cls)
    group = (inspect.getdoc(cls) or "").partition("\n")[0].rstrip(".")
    for name, hint in hints(cls).items():
        if dataclasses.is_dataclass(hint):
            yield from _fields(hint, f"{prefix}{name}.")
        else:
            yield Field(prefix + name, hint, texts.get(name, ""), group)


def _docstrings(cls: Any) -> dict[str, str]:
    """Field -> the string that stands below it, in the class or those it extends."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            found |= _own_docstrings(base)
    return found


def _own_docstrings(cls: Any) -> dict[str, str]:
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(sys.modules[cls.__module__])).body
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _value_of(hint: Any) -> str:
    """What the help page calls the value of an annotation."""
    hint, _ = unwrap(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return f"{_value_of(args[0])} ..."
    if origin is Literal:
        return "|".join(args)
    return _value_of(args[0]) if origin is Annotated else _KINDS[hint]


def _read(texts: list[str], hint: Any, name: str) -> object:
    hint, optional = unwrap(hint)
    if optional and texts == ["None"]:
        return None
    if typing.get_origin(hint) is tuple:
        parser.several({name: texts}, name)
        return tuple(_value(text, typing.get_args(hint)[0]) for text in texts)
    if hint is bool and not texts:
        return True
    return _value(parser.single(texts, name), hint)


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
