"""Pictures of a choice: a map of the features, a sheet of what was chosen."""

from pathlib import Path

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.project.choose import Chosen
from gmmal_jax.project.output import Row
from gmmal_jax.project.places import Places
from gmmal_jax.report import figures, sheet


def draw(
    chosen: Chosen, rows: list[Row], places: Places
) -> tuple[list[Path], list[str]]:
    """Draw the map and, where pictures are known, a contact sheet.

    Args:
      chosen: from `choose`.
      rows: of the table.
      places: of the choice.

    Returns:
      Their files, and a line for each that could not be drawn.
    """
    pool, view = chosen.pool, chosen.view
    groups = np.where(pool.labeled, "labeled", "unlabeled").astype("<U9")
    groups[chosen.query.indices] = "chosen"
    kept = figures.thin(groups, figures.MAX_LATENTS)
    labels, bought = pool.labels[kept], np.ones(len(kept), bool)
    if "logits" in view.columns:
        bought = pool.labeled[kept]
        labels = np.where(bought, labels, view.columns["logits"][kept].argmax(axis=1))
    written: list[Path] = []
    lost: list[str] = []
    shown = (view.columns["latents"][kept], groups[kept], labels, bought)
    try:
        names = chosen.dataset.class_names
        written += figures.latent_map(places.stem, *shown, names)
    except UserError as error:
        lost.append(f"no map: {error}")
    paths = [Path(str(row["path"])) for row in rows if "path" in row]
    if paths:
        captions = [f"{row['rank']} {row.get('pseudo_label', '')}" for row in rows]
        sheet.write(paths, captions, places.sheet)
        written.append(places.sheet)
    return written, lost
