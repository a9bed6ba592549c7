"""Classes of what was asked, by the labels that the oracle gave.

A row of `WORLD_classes.csv` counts the labels of each class that a cycle trained on.
What a query was of is known when it is answered: no other label is read.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.paper.curves import Curves
from experiments.tables import Row
from gmmal_jax.config import Config
from gmmal_jax.data import class_sizes
from gmmal_jax.report import queries
from gmmal_jax.storage.records import Record

UNSEEN, MINOR = "unseen_share", "minor_share"
"""What is computed here: a number a query."""
Counts = Int[np.ndarray, "cycles c"]
_SIZE = 10_000
"""Of a class before a setting thins it: any that all ratios divide well."""


def counted(
    arm: str, seed: int, recorded: Sequence[Record], num_classes: int
) -> list[Row]:
    """Labels of each class that every cycle of a run trained on, a row a cycle.

    Args:
      arm: of the run.
      seed: of the run.
      recorded: its cycles, in order.
      num_classes: c.
    """
    labels = queries.labels_of([*recorded])
    return [
        {
            "arm": arm,
            "seed": str(seed),
            "cycle": str(record.cycle),
            "labels": " ".join(map(str, np.bincount(known, minlength=num_classes))),
        }
        for record, known in zip(recorded, labels, strict=True)
    ]


def by_seed(rows: Sequence[Row], arm: str) -> dict[str, Counts]:
    """Seed -> labels of each class in each cycle.

    Args:
      rows: of a world, from `counted`, in the order of cycles.
      arm: in it.
    """
    found: dict[str, list[list[int]]] = {}
    for row in rows:
        if row["arm"] == arm:
            counts = [int(count) for count in row["labels"].split()]
            found.setdefault(row["seed"], []).append(counts)
    return {seed: np.asarray(counts) for seed, counts in found.items()}


def curves(rows: Sequence[Row], arm: str, shown: str, config: Config) -> Curves:
    """Per cent of each query: of never-seen classes, or of minor ones.

    Args:
      rows: as for `by_seed`.
      arm: as for `by_seed`.
      shown: `UNSEEN` or `MINOR`.
      config: of the world; its setting says which classes are minor.
    """
    found: Curves = {}
    for seed, counts in by_seed(rows, arm).items():
        if shown == UNSEEN:
            found[seed] = unseen(counts).tolist()
        else:
            found[seed] = share(counts, minor(config, counts.shape[1])).tolist()
    return found


def unseen(counts: Counts) -> Float[np.ndarray, " queries"]:
    """Per cent of each query that is of classes without a label before it."""
    bought = np.diff(counts, axis=0)
    fresh = np.where(counts[:-1] == 0, bought, 0)
    return np.asarray(100 * fresh.sum(axis=1) / bought.sum(axis=1))


def share(
    counts: Counts, which: Bool[np.ndarray, " c"]
) -> Float[np.ndarray, " queries"]:
    """Per cent of each query that is of some classes."""
    bought = np.diff(counts, axis=0)
    return np.asarray(100 * bought[:, which].sum(axis=1) / bought.sum(axis=1))


def until_all(counts: Counts) -> int | None:
    """Queries after which every class has a label; None: some never has one."""
    whole = np.flatnonzero((counts > 0).all(axis=1))
    return int(whole[0]) if whole.size else None


def waited(rows: Sequence[Row], arm: str) -> str:
    """Queries until every class has a label, of each seed, the quickest first.

    Nothing is extrapolated: `> 3` where three queries were not enough.
    """
    every = list(by_seed(rows, arm).values())
    found = [(until_all(counts), len(counts) - 1) for counts in every]
    known = sorted(queries for queries, _ in found if queries is not None)
    never = [f"> {asked}" for queries, asked in found if queries is None]
    return ", ".join([*map(str, known), *never])


def minor(config: Config, num_classes: int) -> Bool[np.ndarray, " c"]:
    """Classes that a setting leaves fewer rows than the mean class; maybe none.

    Args:
      config: with the setting.
      num_classes: c.
    """
    data, whole = config.data, np.full(num_classes, _SIZE)
    sizes = whole
    if config.setting == "imbalanced":
        ratio, which = data.imbalance_ratio, data.imbalance_minor
        sizes = class_sizes.imbalanced(whole, ratio, which)
    elif config.setting == "long_tailed":
        sizes = class_sizes.long_tailed(whole, data.imbalance_ratio)
    return np.asarray(sizes < sizes.mean())
