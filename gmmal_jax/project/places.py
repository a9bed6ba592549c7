"""Where a choice is written, and that nobody else's files are lost there."""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from gmmal_jax.data.sources.features import BESIDE
from gmmal_jax.encoders import output as embedding
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files, layout

_WRITING = ".writing"
_LEFT = re.compile(r"\.(config\.json|\.writing)\.tmp-\d+")
"""What a write leaves behind in the folder of the work that was killed."""


class Places(NamedTuple):
    """The files of a choice.

    Attributes:
      table: the rows to label, a .csv.
    """

    table: Path

    @property
    def work(self) -> Path:
        """The folder of what is kept until the table is written."""
        return self.table.with_suffix(".work")

    @property
    def summary(self) -> Path:
        """How the choice came about."""
        return self.table.with_suffix(".json")

    @property
    def stem(self) -> Path:
        """Of the map's names."""
        return self.table.with_suffix("")

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.table.with_name(f"{self.table.stem}_sheet.png")

    def beside(self) -> list[Path]:
        """All that may be written beside the table."""
        maps = [Path(f"{self.stem}.{ending}") for ending in ("png", "svg")]
        return [self.summary, *maps, self.sheet]


def require_free(places: Places, features: Path) -> None:
    """Refuse places where files of others would be lost, or taken for others.

    Args:
      places: of the choice.
      features: their file; an embedding's own files lie beside it.

    Raises:
      UserError: one of the files is there already, and no killed call has left it; a
        folder of the work's name holds something else; a name that the features'
        folder gives a meaning of its own.
    """
    _require_other_names(places, features)
    if os.path.lexists(places.work) and not _is_own(places.work):
        what = "--out: a folder of that name is there, with other files"
        raise UserError(what, str(places.work), "name another table")
    require_unwritten(places)


def require_unwritten(places: Places) -> None:
    """Refuse files that are there already, but those that a killed call has written.

    Raises:
      UserError: there is one.
    """
    if os.path.lexists(places.table):
        raise UserError("--out: there already", str(places.table), "name another file")
    if (places.work / _WRITING).exists():
        return
    for path in places.beside():
        if os.path.lexists(path):
            what, remedy = "--out: a file of that name is there", "name another table"
            raise UserError(what, str(path), remedy)


def begin(places: Places) -> None:
    """Say that from now on what lies beside the table is the choice's own.

    Raises:
      UserError: something else has come there meanwhile.
    """
    require_unwritten(places)
    files.write_atomic(places.work / _WRITING, "")


def tidy(places: Places) -> None:
    """Remove what is kept for a choice that is written; what else is there stays."""
    # The configuration last: without it nobody would know whose the rest is.
    forget(places.work)
    config = layout.of(places.work).config
    left = [path for path in places.work.iterdir() if _LEFT.fullmatch(path.name)]
    own = (config, *left, places.work / _WRITING, places.work / files.LOCK_NAME)
    with contextlib.suppress(OSError):
        for path in own:
            path.unlink(missing_ok=True)
    files.remove_empty([places.work])


def forget(work: Path) -> None:
    """Remove the checkpoints of a choice."""
    shutil.rmtree(layout.of(work).running, ignore_errors=True)


def _require_other_names(places: Places, features: Path) -> None:
    if places.table.parent.resolve() != features.parent.resolve():
        return
    meant = {*BESIDE, *(path.name for path in embedding.Places(features).all())}
    for path in (places.table, *places.beside()):
        if path.name in meant:
            remedy = "name another table"
            raise UserError("--out: a name of the features' own", str(path), remedy)


def _is_own(work: Path) -> bool:
    """Whether a folder holds nothing but what a choice keeps there."""
    if not work.is_dir():
        return False
    names = {path.name for path in work.iterdir()} - {files.LOCK_NAME, _WRITING}
    names = {name for name in names if not _LEFT.fullmatch(name)}
    there = layout.of(work)
    if not names <= {there.config.name, there.running.name}:
        return False
    return not names or _says_labels(there.config)


def _says_labels(config: Path) -> bool:
    """Whether a choice wrote it: a run's has no labels."""
    try:
        found = json.loads(config.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "labels" in found
