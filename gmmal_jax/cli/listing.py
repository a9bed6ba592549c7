"""`gmmal methods`: what a run can be made of."""

from gmmal_jax import methods, plugins
from gmmal_jax.cli.parser import Parsed, Verb
from gmmal_jax.errors import UserError
from gmmal_jax.models import table

MORE = f"""Installed packages add methods through the entry-point group {methods.GROUP},
networks through {table.GROUP}. In place of any name, --learn, --query and --model also
take package.module:function."""


def _methods(parsed: Parsed) -> int:
    names = methods.names()
    width = max(16, *map(len, names))
    print(f"{'method':<{width}}  learner     query             what")
    for name in names:
        print(f"{name:<{width}}  {_line(name)}")
    for option, parts in (("learn", methods.LEARNERS), ("query", methods.STRATEGIES)):
        print(f"\n--{option}")
        for name, part in parts.items():
            print(f"{name:<16}  {part.source}")
    print(f"\n--model {'|'.join(plugins.names(table.GROUP, table.NETWORKS))}")
    return 0


def _line(name: str) -> str:
    """A method's line; that of a package that is broken says so."""
    try:
        entry = methods.entry(name)
    except UserError as error:
        return str(error)
    shown = [
        "its own" if ":" in part else part for part in (entry.learner, entry.query)
    ]
    return f"{shown[0]:<10}  {shown[1]:<16}  {entry.source}"


METHODS = Verb(
    "methods",
    "",
    "the methods: learner and query strategy",
    _methods,
    more=lambda: MORE,
)
