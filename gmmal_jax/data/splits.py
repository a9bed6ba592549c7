"""Which rows make the pool, the evaluation part and the initial labels.

Indices only; the images stay where they are. Everything is drawn from the streams
"split" and "initial", so it depends on the seed and never on the method.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax import keys
from gmmal_jax.config import DataConfig
from gmmal_jax.data import class_sizes
from gmmal_jax.data.sources import Dataset, cut
from gmmal_jax.data.sources.arrays import UNKNOWN, UNUSABLE
from gmmal_jax.errors import UserError

VALIDATION_SHARE = 0.2


class Wanted(NamedTuple):
    """What a split has to give.

    Attributes:
      setting: class sizes of the pool, as the option.
      evaluation: "test", or "validation": cut out of the pool.
      data: class sizes in numbers.
      initial: labels at first.
      labels: labels in the last cycle, the first ones among them.
    """

    setting: str
    evaluation: str
    data: DataConfig
    initial: int
    labels: int


class Split(NamedTuple):
    """Rows of the data set's arrays.

    Attributes:
      pool: int64 [n], rows of the training part, ascending.
      evaluation: "test" or "train": the part that `evaluation_rows` index.
      evaluation_rows: int64 [m], ascending.
      initial: int64 [wanted.initial], positions in the pool, in drawn order.
    """

    pool: np.ndarray
    evaluation: str
    evaluation_rows: np.ndarray
    initial: np.ndarray


def make(wanted: Wanted, dataset: Dataset, seed: int) -> Split:
    """Split a data set for one seed.

    Raises:
      UserError: the pool holds fewer rows than the run wants to label, plus one, or
        none of some class.
    """
    rows, evaluation, evaluation_rows = _parts(wanted, dataset, seed)
    if wanted.labels >= len(rows):
        raise _too_many(wanted, len(rows))
    initial = _initial(wanted, dataset, seed, rows)
    return Split(rows, evaluation, evaluation_rows, initial)


def _too_many(wanted: Wanted, rows: int) -> UserError:
    if wanted.initial >= rows:  # no number of cycles is small enough
        lower = "lower --initial"
    else:
        lower = (
            "lower --cycles, --initial or --budget, or drop the last cycles with "
            "--clip-budget"
        )
    remedy = f"the pool has {rows} rows: {lower}"
    return UserError("labels wanted by the last cycle", wanted.labels, remedy)


def queries_held(
    wanted: Wanted, dataset: Dataset, seeds: Sequence[int], budget: int
) -> int:
    """Queries whose labels the pool of every seed holds.

    Source: section 4.2's budgets on the appendix's long-tailed CIFAR-100, whose pool
    of 19,573 rows cannot give 20,000 labels.
    """
    smallest = min(len(_parts(wanted, dataset, seed)[0]) for seed in seeds)
    return max(0, smallest - 1 - wanted.initial) // budget


def _parts(
    wanted: Wanted, dataset: Dataset, seed: int
) -> tuple[np.ndarray, str, np.ndarray]:
    """Pool rows, the evaluation part's name and its rows.

    Raises:
      UserError: a class without a row, in the data or under the setting.
    """
    _require_labels(dataset)
    rows, held = _own(dataset)
    if wanted.evaluation == "validation":
        order = keys.rng(seed, "split", 0).permutation(rows)
        share = round(VALIDATION_SHARE * len(rows))
        evaluation, evaluation_rows = "train", np.sort(order[:share])
        rows = np.sort(order[share:])
    elif len(held):
        evaluation, evaluation_rows = "train", held
    else:
        evaluation, labels = "test", np.asarray(dataset.test_labels)
        evaluation_rows = np.flatnonzero(labels != UNUSABLE)
    labels = dataset.train_labels[rows]
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    if not counts.all():
        name = dataset.class_names[counts.argmin()]
        remedy = "add some, or number the classes from 0 without gaps"
        raise UserError(f"{dataset.name}: no image to learn of class", name, remedy)
    sizes = _sizes(wanted, counts)
    if not sizes.all():
        remedy = f"lower it: class {dataset.class_names[sizes.argmin()]} keeps no image"
        raise UserError("--data.imbalance-ratio", wanted.data.imbalance_ratio, remedy)
    if (sizes < counts).any():
        rows = rows[class_sizes.keep(keys.rng(seed, "split", 1), labels, sizes)]
    return rows, evaluation, evaluation_rows


def _own(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows to measure on where there is no test part."""
    rows = np.flatnonzero(dataset.train_labels != UNUSABLE)
    if dataset.has_test_part:
        return rows, rows[:0]
    labels = dataset.train_labels[rows].tolist()
    groups: list[str | None] = [None] * len(rows)
    out = cut.test_part(dataset.name, labels, groups, dataset.class_names)
    return rows[~out], rows[out]


def _require_labels(dataset: Dataset) -> None:
    """Refuse what only a person could answer."""
    unknown = int(np.count_nonzero(dataset.train_labels == UNKNOWN))
    if unknown:
        remedy = "a run looks up the answers: name a file that has them by --labels"
        raise UserError(f"{dataset.name}: rows without a label", unknown, remedy)


def _sizes(wanted: Wanted, counts: np.ndarray) -> np.ndarray:
    """Rows that each class keeps: int [c]."""
    data = wanted.data
    sizes = class_sizes.capped(counts, data.class_cap)
    if wanted.setting == "imbalanced":
        return class_sizes.imbalanced(sizes, data.imbalance_ratio, data.imbalance_minor)
    if wanted.setting == "long_tailed":
        return class_sizes.long_tailed(sizes, data.imbalance_ratio)
    return sizes


def _initial(
    wanted: Wanted, dataset: Dataset, seed: int, rows: np.ndarray
) -> np.ndarray:
    """Positions in the pool of the first labels."""
    if wanted.setting != "mismatch":
        allowed = np.arange(len(rows))
    else:
        known = class_sizes.known_classes(len(dataset.class_names))
        allowed = np.flatnonzero(dataset.train_labels[rows] < known)
        if wanted.initial > len(allowed):
            remedy = f"lower it: the first {known} classes have {len(allowed)} rows"
            raise UserError("--initial", wanted.initial, remedy)
    return keys.rng(seed, "initial").permutation(allowed)[: wanted.initial]
