"""Names of things that others may bring: own tables, installed packages, modules.

A name is looked up in a table of our own, then among the entry points of installed
packages, and is at last taken for `package.module:attribute`. A table's values are
such references, so that a mistyped name is refused before anything heavy is imported.
"""

import importlib
import inspect
import operator
from collections.abc import Iterable, Mapping
from importlib.metadata import (
    EntryPoint,
    entry_points,
    packages_distributions,
    version,
)
from typing import Any

from gmmal_jax.errors import UserError, unknown


def names(group: str, table: Iterable[str]) -> list[str]:
    """Our own names in the table's order, then those of installed packages, sorted."""
    own = list(table)
    return own + sorted({entry.name for entry in entry_points(group=group)} - set(own))


def find(group: str, name: str, table: Mapping[str, Any], option: str) -> Any:
    """What stands behind a name; nothing is imported.

    Args:
      group: of entry points, such as `gmmal_jax.models`.
      name: a key of the table, an entry point, or `package.module:attribute`.
      table: our own; an installed package cannot take a name of it.
      option: as in messages, such as `--model`.

    Returns:
      The table's value, an entry point, or the name itself.

    Raises:
      UserError: there is no such name, or two packages bring it.
    """
    if name in table:
        return table[name]
    entries = list(entry_points(group=group, name=name))
    if len(entries) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in entries))
        raise UserError(option, name, f"{packages} bring it; uninstall all but one")
    if entries:
        return entries[0]
    if _is_reference(name):
        return name
    raise unknown(option, name, [*names(group, table), "package.module:make"])


def load(group: str, name: str, table: Mapping[str, Any], option: str) -> Any:
    """The object behind a name; arguments as in `find`.

    Raises:
      UserError: there is no such name, two packages bring it, or its module cannot
        be imported or lacks it.
    """
    return resolve(find(group, name, table, option), f"{option} {name}")


def resolve(found: Any, what: str) -> Any:
    """Import what an entry point or a reference `package.module:attribute` names.

    Args:
      found: those; anything else is returned as it is.
      what: how messages begin, such as `--model mlp`.

    Raises:
      UserError: the module cannot be imported, or lacks the attribute.
    """
    if isinstance(found, EntryPoint):
        reference, remedy = found.value, f"package {_package(found)} brings it"
        module, attribute = found.module, found.attr
    elif isinstance(found, str) and _is_reference(found):
        reference, remedy = found, "is its folder on PYTHONPATH?"
        module, _, attribute = found.partition(":")
    else:
        return found
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        raise UserError(f"{what}: {error}", reference, remedy) from error
    try:
        return operator.attrgetter(attribute)(imported)
    except AttributeError as error:
        remedy = "define it there, or correct the name"
        raise UserError(f"{what}: {error}", reference, remedy) from error


def signature(found: Any, what: str, remedy: str) -> inspect.Signature:
    """What a function takes.

    Args:
      found: from `resolve`.
      what: how messages begin, such as `--model mlp`.
      remedy: what to name instead.

    Raises:
      UserError: it is no function, or one that does not say.
    """
    try:
        return inspect.signature(found)
    except (TypeError, ValueError):
        raise UserError(f"{what} is no such function", found, remedy) from None


def installed(group: str) -> list[tuple[str, str]]:
    """(name, distribution and version) of the entry points of a group, sorted."""
    return sorted(
        (entry.name, f"{entry.dist.name} {entry.dist.version}" if entry.dist else "")
        for entry in entry_points(group=group)
    )


def versions(found: Iterable[Any]) -> dict[str, str]:
    """Distribution -> version of the packages that bring what `find` found.

    Our own names count for nothing, and so do modules that belong to no package.
    """
    names: set[str] = set()
    for each in found:
        if isinstance(each, EntryPoint):
            names |= {each.dist.name} if each.dist else set()
        elif isinstance(each, str) and _is_reference(each):
            names.update(
                packages_distributions().get(
                    each.replace(":", ".").partition(".")[0], ()
                )
            )
    return {name: version(name) for name in sorted(names - {"gmmal_jax"})}


def _is_reference(name: str) -> bool:
    module, colon, attribute = name.partition(":")
    dotted = (*module.split("."), *attribute.split("."))
    return bool(colon) and all(part.isidentifier() for part in dotted)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value
