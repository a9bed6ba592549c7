"""What a choice leaves behind: a table of rows to label, and how it came about."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from gmmal_jax.data.sources import tables
from gmmal_jax.data.sources.arrays import Ids
from gmmal_jax.encoders.output import Places, read_about
from gmmal_jax.project.choose import Chosen
from gmmal_jax.storage import files

Row = dict[str, Any]


def rows(chosen: Chosen, features: Path) -> list[Row]:
    """A row each, most wanted first: id, path, what the network takes it for, scores.

    Args:
      chosen: from `choose`.
      features: their file.
    """
    query, logits = chosen.query, chosen.view.columns.get("logits")
    folder = pictures_of(features, chosen.dataset.ids)
    found = []
    for rank, place in enumerate(query.indices, 1):
        name = str(chosen.dataset.ids[int(chosen.pool.ids[place])])
        row: Row = {"id": tables.cell(name)}
        if folder is not None:
            row["path"] = str(folder / name)
        row |= {"rank": rank, "row": int(chosen.pool.ids[place])}
        if logits is not None:
            row |= _guess(logits[place], chosen.dataset.class_names)
        row |= {key: f"{score[place]:.6g}" for key, score in query.scores.items()}
        row |= {f"rank_{key}": f"{r[place]:.6f}" for key, r in query.ranks.items()}
        found.append(row)
    return found


def _guess(logits: np.ndarray, names: tuple[str, ...]) -> Row:
    wide = logits.astype(np.float64)
    shares = np.exp(wide - np.logaddexp.reduce(wide))
    best = int(shares.argmax())
    return {
        "pseudo_label": tables.cell(names[best]),
        "confidence": f"{shares[best]:.4f}",
    }


def pictures_of(features: Path, ids: Ids) -> Path | None:
    """The folder that ids are paths in; None: nobody has said, or it is gone.

    Args:
      features: their file; what an embedding says of itself lies beside it.
      ids: of its rows.
    """
    source = read_about(Places(features)).get("source")
    if source is None or isinstance(ids, range):
        return None
    found = Path(str(source))
    folder = found if found.is_dir() else found.parent
    return folder if (folder / ids[0]).is_file() else None


def table(rows: list[Row]) -> str:
    """The rows as CSV; an empty head where there are none.

    It is UTF-8 whatever the names of folders are: it comes back as --labels.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return files.readable(text.getvalue())


def summary(chosen: Chosen, settings: dict[str, Any]) -> dict[str, Any]:
    """What was there, what was done, and what it was done with."""
    names, labels = chosen.dataset.class_names, chosen.pool.labels
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    return {
        "method": chosen.label,
        "cold_start": chosen.cold,
        "chosen": len(chosen.query.indices),
        "chosen_among": chosen.among or int(chosen.view.candidates.sum()),
        "rows": len(chosen.dataset.train_labels),
        "broken_rows": len(chosen.dataset.skipped),
        "labeled": dict(zip(names, counts.tolist(), strict=True)),
        "seconds": {name: round(s, 1) for name, s in chosen.seconds.items()},
        "features": {"checksum": chosen.dataset.checksum} | chosen.dataset.remember,
        "settings": settings,
    }
