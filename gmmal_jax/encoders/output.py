"""The files that features are written to; the matrix has its name once it is whole."""

import csv
import glob
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import tables
from gmmal_jax.data.sources.features import IDS, LABELS
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files


class Places(NamedTuple):
    """Where everything lies.

    Attributes:
      features: float16 or float32 [n, d].
    """

    features: Path

    @property
    def part(self) -> Path:
        """The matrix while it is written."""
        return self.features.with_name(f"{self.features.name}.part")

    @property
    def progress(self) -> Path:
        """How far it is, sealed; written once the rows are on the disk."""
        return self.features.with_name(f"{self.features.name}.progress")

    @property
    def ids(self) -> Path:
        """[n] ids, one a line."""
        return self.features.with_name(IDS)

    @property
    def labels(self) -> Path:
        """Columns id and label, of the rows whose label is known."""
        return self.features.with_name(LABELS)

    @property
    def skipped(self) -> Path:
        """Columns path and reason, of pictures that have no row."""
        return self.features.with_name("skipped.csv")

    @property
    def about(self) -> Path:
        """Encoder, source and number of rows, as JSON."""
        return self.features.with_name("features.json")

    @property
    def written(self) -> tuple[Path, ...]:
        """What lies there in the end."""
        return self.features, self.about, self.ids, self.labels, self.skipped

    def all(self) -> tuple[Path, ...]:
        """Likewise, and what lies there on the way."""
        return *self.written, self.part, self.progress


def header(num: int, width: int, dtype: np.dtype[Any]) -> bytes:
    """The beginning of an .npy file of [num, width]; as long for any number of rows."""
    text = io.BytesIO()
    described = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (num, width),
    }
    np.lib.format.write_array_header_1_0(text, described)
    return text.getvalue()


def table(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write rows of text as CSV in UTF-8, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(tables.cell, row) for row in rows)
    files.write_atomic(path, files.readable(text.getvalue()))


def require_free(places: Places) -> None:
    """Refuse a folder whose files would be lost.

    Raises:
      UserError: one of them is there already.
    """
    for path in places.written:
        if path.exists():
            remedy = "choose a folder of its own for --out, or remove it"
            raise UserError("--out: a file of that name is there", str(path), remedy)


def tidy(places: Places) -> None:
    """Remove what writes left behind that were killed before they were whole."""
    for path in (places.part, places.progress, places.ids, places.labels,
                 places.skipped, places.about):  # fmt: skip
        for left in path.parent.glob(f".{glob.escape(path.name)}.tmp-*"):
            left.unlink(missing_ok=True)


def read_about(places: Places) -> dict[str, Any]:
    """What is said of features that are there; empty where nothing is."""
    try:
        about = json.loads(places.about.read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}
