"""The results of a run: one sealed file per seed and cycle, and tables made of them.

`records/seed-000/cycle-00.json` and its like are the truth. The CSV tables are
views, rebuilt whole from them, so that they can be neither stale nor cut short.
"""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.storage import arrays as npz, files, layout

_KEY = ("seed", "cycle")
_INITIAL = ("seed", "index", "id", "label")
_RESULTS = (
    *_KEY,
    "labeled",
    "accuracy",
    "balanced_accuracy",
    "test_loss",
    "labeled_class_entropy",
)
_RECALL = (*_KEY, "class", "recall", "support")
_QUERIES = (*_KEY, "rank", "index", "id", "label", "pseudo_label")

Row = dict[str, Any]


class Record(NamedTuple):
    """One finished cycle of one seed.

    Attributes:
      seed: the seed.
      cycle: counted from 0.
      results: name -> number; `labeled` (labels trained on) and `accuracy` (a share
        in [0, 1]) among them.
      initial: the labels the run began with, a dict of index, id and label each;
        empty in all cycles but the first.
      queries: the rows asked for, most wanted first: rank, index, id, label,
        pseudo_label, each raw score by its name, `rank_` and that name for its rank,
        and total; empty in the last cycle.
      diagnostics: name -> number, deterministic like the results.
      timings: name -> seconds.
      recalls: of each class on the evaluation part: class, recall (None where it has
        no row there) and support, its rows; empty in records of older versions.
    """

    seed: int
    cycle: int
    results: dict[str, Any]
    initial: list[Row]
    queries: list[Row]
    diagnostics: dict[str, Any]
    timings: dict[str, Any]
    recalls: list[Row] = []


def write(folder: str | os.PathLike[str], record: Record) -> None:
    """Save a record atomically, in place of an earlier one of that seed and cycle."""
    path = layout.of(folder).record(record.seed, record.cycle)
    files.write_atomic(path, files.seal(record._asdict()))


def load(folder: str | os.PathLike[str]) -> list[Record]:
    """Read a run's records, sorted by seed and cycle.

    Args:
      folder: the run's; without records the list is empty.

    Raises:
      UserError: a record is damaged, or missing before a later one.
    """
    records, places = [], layout.of(folder)
    for seed, paths in places.recorded().items():
        for cycle, path in enumerate(paths):
            expected = places.record(seed, cycle)
            if path.name != expected.name:
                raise _damaged(expected, "it is missing")
            records.append(_read(path, seed, cycle))
    return records


class Table(NamedTuple):
    """A view of the records.

    Attributes:
      columns: names, in order.
      rows: column -> value; a column that a row lacks has no value there.
    """

    columns: tuple[str, ...]
    rows: list[Row]


def tables(records: Sequence[Record]) -> dict[str, Table]:
    """The tables initial, results, recall, queries, diagnostics and timings.

    Args:
      records: sorted by seed and cycle, as `load` gives them.
    """
    initial = [{"seed": r.seed} | row for r in records for row in r.initial]
    queries = [_key(r) | row for r in records for row in r.queries]
    recalls = [_key(r) | row for r in records for row in r.recalls]
    return {
        "initial": _table(_INITIAL, initial),
        "results": _table(_RESULTS, [_key(r) | r.results for r in records]),
        "recall": _table(_RECALL, recalls),
        "queries": _table(_QUERIES, queries),
        "diagnostics": _table(_KEY, [_key(r) | r.diagnostics for r in records]),
        "timings": _table(_KEY, [_key(r) | r.timings for r in records]),
    }


def write_views(folder: str | os.PathLike[str]) -> None:
    """Rebuild every table's CSV from the records.

    Equal records give equal bytes.

    Raises:
      UserError: see `load`.
    """
    for name, table in tables(load(folder)).items():
        files.write_atomic(layout.of(folder).table(name), as_csv(table))


def write_arrays(
    folder: str | os.PathLike[str], seed: int, cycle: int, **values: np.ndarray
) -> None:
    """Save arrays beside a record, atomically; equal arrays give equal bytes.

    Args:
      folder: the run's.
      seed: the record's.
      cycle: the record's.
      **values: numeric arrays by name.
    """
    npz.write(layout.of(folder).arrays(seed, cycle), values)


def load_arrays(
    folder: str | os.PathLike[str], seed: int, cycle: int
) -> dict[str, np.ndarray]:
    """Read the arrays beside a record.

    Raises:
      UserError: there are none, or the file is damaged.
    """
    path = layout.of(folder).arrays(seed, cycle)
    if not path.exists():
        raise UserError("no arrays were saved for this cycle", str(path))
    try:
        return npz.read(path)
    except ValueError as error:
        raise _damaged(path, str(error)) from None


def _read(path: Path, seed: int, cycle: int) -> Record:
    try:
        record = Record(**files.unseal(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    if (record.seed, record.cycle) != (seed, cycle):
        raise _damaged(path, "it is of another seed or cycle")
    return record


def _damaged(path: Path, reason: str) -> UserError:
    # What a cycle handed on is removed once the next one is on record.
    return UserError(
        f"record is damaged ({reason})",
        str(path),
        "delete that file and everything of that seed after it, or all of that seed "
        "where networks go on from the cycle before (tod, --train.init continue), then "
        "`gmmal resume`",
    )


def _key(record: Record) -> Row:
    return {"seed": record.seed, "cycle": record.cycle}


def _table(first: Sequence[str], rows: list[Row]) -> Table:
    """The columns named first, then all others by name."""
    others = sorted({name for row in rows for name in row} - set(first))
    return Table((*first, *others), rows)


def as_csv(table: Table) -> str:
    """A table as text; a number that is missing, or NaN, is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([_cell(row.get(name)) for name in table.columns])
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """Shortest digits that give a number back; empty for NaN and what is missing."""
    if value is None or value != value:
        return ""
    return repr(value) if isinstance(value, float) else value
