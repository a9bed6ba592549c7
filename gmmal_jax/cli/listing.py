"""`gmmal methods`: what a run can be made of."""

from collections.abc import Iterable, Sequence

from gmmal_jax import methods, plugins
from gmmal_jax.cli import pages
from gmmal_jax.cli.parser import Parsed, Verb
from gmmal_jax.config import Config
from gmmal_jax.errors import UserError
from gmmal_jax.methods import Entry
from gmmal_jax.models import table

MORE = f"""Candidates are what may be asked in a cycle: all, and after the stroke what
--preset {methods.OFFICIAL} makes of it. Below what a method is stands what a cycle
costs beside one with random choice. Installed packages add methods through the
entry-point group {methods.GROUP}, networks through {table.GROUP}. In place of any name,
--learn, --query and --model also take package.module:function."""

_Row = tuple[str, ...]
_METHODS: _Row = ("method", "learner", "query", "candidates", "state")
_SIZE = "select.subset_size"


def _methods(parsed: Parsed) -> int:
    found = {name: _entry(name) for name in methods.names()}
    _print([_METHODS, *(_row(name, entry) for name, entry in found.items())])
    print("\nwhat they are; beside random")
    whole = [(n, e) for n, e in found.items() if isinstance(e, Entry)]
    _tell((name, entry.source, entry.cost) for name, entry in whole)
    print("\nother names")
    _print(list(methods.ALIASES.items()))
    print("\n--learn")
    _tell((name, part.source, "") for name, part in methods.LEARNERS.items())
    print("\n--query, and the columns that it needs")
    _tell(_queries())
    print(f"\n--model {'|'.join(plugins.names(table.GROUP, table.NETWORKS))}")
    return 0


def _entry(name: str) -> Entry | str:
    """A method; what is wrong with that of a package that is broken."""
    try:
        return methods.entry(name)
    except UserError as error:
        return str(error)


def _row(name: str, entry: Entry | str) -> _Row:
    if isinstance(entry, str):
        return name, entry
    shown = ["its own" if ":" in part else part for part in entry[:2]]
    return name, *shown, _candidates(entry), entry.state


def _candidates(entry: Entry) -> str:
    """How many rows may be asked: usually, and in the authors' protocol."""
    sizes = [each.get(_SIZE, (None,))[0] for each in (entry.changes, entry.official)]
    usual, official = (f"{size:,}" if isinstance(size, int) else "" for size in sizes)
    return (usual or "all") + (f" | {official}" if official else "")


def _queries() -> Iterable[tuple[str, str, str]]:
    from gmmal_jax import assembly  # needs JAX, as the rest of a listing does not

    for name, part in methods.STRATEGIES.items():
        needs = assembly.columns_of(name, Config())
        yield name, part.source, ", ".join(sorted(needs)) or "nothing"


def _print(rows: Iterable[Sequence[str]]) -> None:
    """Cells one below the other; the last one of a row is as long as it is."""
    rows = list(rows)
    most = max(map(len, rows))
    whole = [row for row in rows if len(row) == most]
    widths = [max(map(len, cells)) for cells in zip(*whole, strict=True)]
    for row in rows:
        pairs = zip(row[:-1], widths, strict=False)
        print("  ".join([*(f"{cell:<{width}}" for cell, width in pairs), row[-1]]))


def _tell(rows: Iterable[tuple[str, str, str]]) -> None:
    """Names, what they are, and below it more, where there is more to say."""
    rows = list(rows)
    indent = " " * (2 + max(len(name) for name, _, _ in rows))
    for name, what, more in rows:
        lines = [pages.wrapped(text, indent) for text in (what, more) if text]
        print("\n".join([f"{name:<{len(indent)}}{lines[0].lstrip()}", *lines[1:]]))


METHODS = Verb(
    "methods",
    "",
    "the methods: learner and query strategy",
    _methods,
    more=lambda: MORE,
)
