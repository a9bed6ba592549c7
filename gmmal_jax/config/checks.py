"""What a setting may hold: its type, and the range that its annotation carries."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Union

from gmmal_jax.errors import UserError, unknown

LARGEST_INT = 2_000_000_000
"""Steps and rows are counted in int32 on the devices."""
LARGEST_FLOAT = 3e38
"""The devices compute in float32."""
LARGEST_SIZE = 65_536
"""Of what takes memory in proportion: batches, widths, steps of a chunk."""


class Range(NamedTuple):
    """The numbers that an option takes.

    Attributes:
      low: the smallest one.
      high: the largest one.
      remedy: both in words.
      above: `low` itself is excluded.
      below: `high` itself is excluded.
    """

    low: float
    high: float
    remedy: str
    above: bool = False
    below: bool = False

    def holds(self, value: int | float) -> bool:
        """NaN is in no range."""
        over = value > self.low if self.above else value >= self.low
        under = value < self.high if self.below else value <= self.high
        return over and under


_UP_TO = f"or more, at most {LARGEST_INT:,}"
Count = Annotated[int, Range(1, LARGEST_INT, f"use 1 {_UP_TO}")]
Epochs = Annotated[int, Range(1, 10_000, "use 1 or more, at most 10,000")]
"""Times the batches of a pool of 200,000 they still fit into an int32."""
Few = Annotated[int, Range(1, 1000, "use 1 or more, at most 1000")]
Several = Annotated[int, Range(2, 1000, "use 2 or more, at most 1000")]
Pair = Annotated[int, Range(2, LARGEST_INT, f"use 2 {_UP_TO}")]
Seed = Annotated[int, Range(0, LARGEST_INT, f"use seeds of 0 {_UP_TO}")]
Size = Annotated[int, Range(1, LARGEST_SIZE, f"use 1 or more, at most {LARGEST_SIZE}")]
Pixels = Annotated[int, Range(0, 1000, "use 0 or more pixels, at most 1000")]
Side = Annotated[int, Range(1, 4096, "use 1 or more pixels, at most 4096")]
Positive = Annotated[
    float, Range(0, LARGEST_FLOAT, "use a positive number, such as 1e-4", above=True)
]
AtLeastZero = Annotated[float, Range(0, LARGEST_FLOAT, "use 0 or more, but finite")]
Share = Annotated[float, Range(0, 1, "use a share in (0, 1]", above=True)]
Factor = Annotated[float, Range(0, 1, "use a factor in [0, 1]")]
BelowOne = Annotated[float, Range(0, 1, "use a share in [0, 1)", below=True)]
Moment = Annotated[
    float, Range(-LARGEST_FLOAT, LARGEST_FLOAT, "use finite numbers, pixels being 0..1")
]

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def require(condition: bool, option: str, value: object, remedy: str) -> None:
    """Refuse a value of an option.

    Raises:
      UserError: the condition does not hold.
    """
    if not condition:
        raise UserError(f"--{option}", value, remedy)


class Checked:
    """A group of settings that refuses what its annotations do not allow."""

    group: ClassVar[str] = ""
    """What stands before the names of its options, with the dot."""

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
          UserError: a value of another type or out of its range.
        """
        check_fields(type(self), vars(self))


def check_fields(cls: Any, values: Mapping[str, object]) -> None:
    """Check values of a group's fields.

    Raises:
      UserError: a value of another type or out of its range.
    """
    for name, value in values.items():
        check(value, hints(cls)[name], option(cls.group + name))


def option(field: str) -> str:
    """The option of a dotted field, without the dashes in front."""
    return field.replace("_", "-")


@functools.cache
def hints(cls: Any) -> dict[str, Any]:
    """Name -> annotation, with its range, of a group's fields."""
    resolved = typing.get_type_hints(cls, include_extras=True)
    return {field.name: resolved[field.name] for field in dataclasses.fields(cls)}


def unwrap(hint: Any) -> tuple[Any, bool]:
    """(annotation without `| None`, whether None is allowed)."""
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (inner,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    return inner, True


def check(value: object, hint: Any, name: str) -> None:
    """Compare a value with an annotation.

    Raises:
      UserError: they do not fit; the line names the option.
    """
    hint, optional = unwrap(hint)
    if optional and value is None:
        return
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        check(value, args[0], name)
        require(args[1].holds(value), name, value, args[1].remedy)
    elif origin is Literal:
        if value not in args:
            raise unknown(f"--{name}", value, args)
    elif origin is tuple:
        require(isinstance(value, tuple), name, value, "use a list of values")
        for item in typing.cast(tuple[object, ...], value):
            check(item, args[0], name)
    else:
        remedy = f"use {_WORDS.get(hint, 'a group of settings')}"
        require(_is(value, hint), name, value, remedy)


def _is(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, float) or _is(value, int)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
