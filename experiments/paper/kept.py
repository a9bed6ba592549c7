"""What is on record of tasks that are run a cycle at a time: one small file."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.paper.store import Body, Done, Key
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files
from gmmal_jax.storage.records import Record


class Kept(NamedTuple):
    """What is on record of a task.

    Attributes:
      done: its first cycles, as the store will have them.
      asked: of each that asked, the rows of the pool, most wanted first.
    """

    done: Done
    asked: list[list[int]]


def joined(before: Kept | None, now: Done, record: Record) -> Kept:
    """With another cycle.

    Args:
      before: what was on record; None: nothing.
      now: the cycle.
      record: of that cycle.

    Raises:
      UserError: it came by other settings or data than those before it.
    """
    asked = [[int(row["index"]) for row in record.queries]] if record.queries else []
    if before is None:
        return Kept(now, asked)
    was = before.done
    if (was.settings, was.data) != (now.settings, now.data):
        remedy = "go on with the data and the code that they came by, or begin anew"
        raise UserError("the cycles before came by other settings or data", "", remedy)
    done = now._replace(
        rows=[*was.rows, *now.rows],
        seconds=[*was.seconds, *now.seconds],
        versions=_versions(was.versions, now.versions),
    )
    return Kept(done, [*before.asked, *asked])


def _versions(before: Body, now: Body) -> Body:
    """Of all machines: each value once, in order."""
    found = dict(now)
    for name, value in before.items():
        seen, new = str(value).split(" / "), str(now.get(name, value))
        found[name] = value if new in seen else " / ".join([*seen, new])
    return found


def save(path: Path, kept: dict[Key, Kept]) -> None:
    """Write the file, whole or not at all; equal records give equal bytes.

    Ten tasks of ten cycles, a thousand rows each, are less than 200 KB.
    """
    arrays, about = dict[str, Any](), []
    for i, (key, own) in enumerate(kept.items()):
        asked = np.asarray(own.asked, np.int64)
        arrays[f"asked-{i}"] = asked.astype(np.min_scalar_type(asked.max(initial=0)))
        about.append({"key": key, "done": own.done._asdict()})
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, about=text, **arrays)
    files.write_atomic(path, buffer.getvalue())


def load(path: Path) -> dict[Key, Kept]:
    """Read the file; nothing where there is none yet.

    Raises:
      UserError: it is damaged.
    """
    if not path.exists():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            return {
                tuple(each["key"]): Kept(
                    Done(**each["done"]), file[f"asked-{i}"].tolist()
                )
                for i, each in enumerate(json.loads(file["about"].tobytes()))
            }
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        remedy = "restore it, or remove it and begin anew"
        raise UserError("not a record of cycles", str(path), remedy) from None
