"""The results of a run: one sealed file per seed and cycle, and tables made of them.

`records/seed-000/cycle-00.json` and its like are the truth. The CSV tables are
views, rebuilt whole from them, so that they can be neither stale nor cut short.
"""

import csv
import io
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

FOLDER = "records"
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
    """

    seed: int
    cycle: int
    results: dict[str, Any]
    initial: list[Row]
    queries: list[Row]
    diagnostics: dict[str, Any]
    timings: dict[str, Any]


def write(folder: str | os.PathLike, record: Record) -> None:
    """Save a record atomically, in place of an earlier one of that seed and cycle."""
    path = _path(folder, record.seed, record.cycle, "json")
    files.write_atomic(path, files.seal(record._asdict()))


def load(folder: str | os.PathLike) -> list[Record]:
    """Read a run's records, sorted by seed and cycle.

    Args:
      folder: the run's; without records the list is empty.

    Raises:
      UserError: a record is damaged, or missing before a later one.
    """
    records = []
    for seed_folder in _numbered(Path(folder) / FOLDER, r"seed-(\d+)"):
        for cycle, path in enumerate(_numbered(seed_folder, r"cycle-(\d+)\.json")):
            expected = _path(folder, _number(seed_folder.name), cycle, "json")
            if path.name != expected.name:
                raise _damaged(expected, "it is missing")
            records.append(_read(path))
    return records


def write_views(folder: str | os.PathLike) -> None:
    """Rebuild initial, results, queries, diagnostics and timings.csv from the records.

    Equal records give equal bytes.

    Raises:
      UserError: see `load`.
    """
    records = load(folder)
    views = {
        "initial": (
            _INITIAL,
            [{"seed": r.seed} | row for r in records for row in r.initial],
        ),
        "results": (_RESULTS, [_key(r) | r.results for r in records]),
        "queries": (_QUERIES, [_key(r) | row for r in records for row in r.queries]),
        "diagnostics": (_KEY, [_key(r) | r.diagnostics for r in records]),
        "timings": (_KEY, [_key(r) | r.timings for r in records]),
    }
    for name, (first, rows) in views.items():
        files.write_atomic(Path(folder) / f"{name}.csv", _csv(first, rows))


def write_arrays(
    folder: str | os.PathLike, seed: int, cycle: int, **arrays: np.ndarray
) -> None:
    """Save arrays beside a record, atomically; equal arrays give equal bytes.

    Args:
      folder: the run's.
      seed: the record's.
      cycle: the record's.
      **arrays: numeric arrays by name.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            # A ZipInfo made from a name alone carries a fixed date, not today's.
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w") as file:
                array = np.asarray(arrays[name])
                np.lib.format.write_array(file, array, allow_pickle=False)
    files.write_atomic(_path(folder, seed, cycle, "npz"), buffer.getvalue())


def load_arrays(
    folder: str | os.PathLike, seed: int, cycle: int
) -> dict[str, np.ndarray]:
    """Read the arrays beside a record.

    Raises:
      UserError: there are none, or the file is damaged.
    """
    path = _path(folder, seed, cycle, "npz")
    if not path.exists():
        raise UserError("no arrays were saved for this cycle", str(path))
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path, str(error)) from None


def _path(folder: str | os.PathLike, seed: int, cycle: int, ending: str) -> Path:
    return Path(folder) / FOLDER / f"seed-{seed:03d}" / f"cycle-{cycle:02d}.{ending}"


def _number(name: str) -> int:
    return int(re.findall(r"\d+", name)[0])


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """The entries whose whole name fits, by their number."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
    return sorted(found, key=lambda path: _number(path.name))


def _read(path: Path) -> Record:
    try:
        record = Record(**files.unseal(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise _damaged(path, str(error)) from None
    if (record.seed, record.cycle) != (_number(path.parent.name), _number(path.name)):
        raise _damaged(path, "it is of another seed or cycle")
    return record


def _damaged(path: Path, reason: str) -> UserError:
    return UserError(
        f"record is damaged ({reason})",
        str(path),
        "delete that file and everything of that seed after it, then `gmmal resume`",
    )


def _key(record: Record) -> Row:
    return {"seed": record.seed, "cycle": record.cycle}


def _csv(first: Sequence[str], rows: Sequence[Row]) -> str:
    """Text of a table: the columns named first, then all others by name."""
    others = sorted({name for row in rows for name in row} - set(first))
    columns = [*first, *others]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """Shortest digits that give a number back; empty for NaN and what is missing."""
    if value is None or value != value:
        return ""
    return repr(value) if isinstance(value, float) else value
