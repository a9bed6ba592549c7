"""A run's tables as arrays, for whoever goes on in Python."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.config import Config
from gmmal_jax.errors import UserError
from gmmal_jax.storage import layout, records, run_folder

Columns = dict[str, np.ndarray]
"""Name -> one value a row; NaN where a row has none."""


class Loaded(NamedTuple):
    """What a run has found out so far: the tables of its folder.

    Attributes:
      folder: of the run.
      label: what tables call its method.
      config: of this arm.
      results: seed, cycle, labeled, accuracy, ...: a row for each finished cycle.
      queries: seed, cycle, rank, index, id, label, pseudo_label, each score and its
        rank, total: a row for each label bought.
      diagnostics: seed, cycle and what training and the strategy's parts did.
      initial: seed, index, id, label: a row for each label at first.
      recall: seed, cycle, class, recall, support: a row for each class and finished
        cycle; none of cycles that an older version ran.
      reference: the arm for comparison; None where there is none or it has finished
        no cycle.
    """

    folder: Path
    label: str
    config: Config
    results: Columns
    queries: Columns
    diagnostics: Columns
    initial: Columns
    recall: Columns
    reference: "Loaded | None" = None


def load(folder: str | os.PathLike[str]) -> Loaded:
    """Read a run's folder, finished or not.

    Example: `loaded.results["accuracy"][loaded.results["cycle"] == 0].mean()`.

    Raises:
      UserError: no run is there, it has no finished cycle yet, or a file of it is
        damaged.
    """
    places = layout.of(folder)
    loaded = _arm(places)
    if loaded is None:
        remedy = "wait for the first cycle to end, or `gmmal resume`"
        raise UserError("no finished cycle yet", str(folder), remedy)
    if not run_folder.holds_run(places.reference):
        return loaded
    return loaded._replace(reference=_arm(layout.of(places.reference)))


def _arm(places: layout.Layout) -> Loaded | None:
    saved = run_folder.read_config(places.root)
    found = records.load(places.root)
    if not found:
        return None
    tables = records.tables(found)
    return Loaded(
        folder=places.root,
        label=saved["label"],
        config=run_folder.saved_config(places.root, saved),
        results=_columns(tables["results"]),
        queries=_columns(tables["queries"]),
        diagnostics=_columns(tables["diagnostics"]),
        initial=_columns(tables["initial"]),
        recall=_columns(tables["recall"]),
    )


def _columns(table: records.Table) -> Columns:
    return {
        name: _column([row.get(name) for row in table.rows]) for name in table.columns
    }


def _column(values: list[Any]) -> np.ndarray:
    whole = all(isinstance(value, int) for value in values)
    if whole and values:
        return np.asarray(values, np.int64)
    return np.asarray([np.nan if value is None else value for value in values], float)
