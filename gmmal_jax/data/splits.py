"""Which rows make the pool, the evaluation part and the initial labels.

Indices only; the images stay where they are. Everything is drawn from the streams
"split" and "initial", so it depends on the seed and never on the method.
"""

from typing import NamedTuple

import numpy as np

from gmmal_jax import keys
from gmmal_jax.config import Config
from gmmal_jax.data.sources import Dataset
from gmmal_jax.errors import UserError

VALIDATION_SHARE = 0.2


class Split(NamedTuple):
    """Rows of the data set's arrays.

    Attributes:
      pool: int64 [n], rows of the training part, ascending.
      evaluation: "test" or "train": the part that `evaluation_rows` index.
      evaluation_rows: int64 [m], ascending.
      initial: int64 [config.initial], positions in the pool, in drawn order.
    """

    pool: np.ndarray
    evaluation: str
    evaluation_rows: np.ndarray
    initial: np.ndarray


def make(config: Config, dataset: Dataset, seed: int) -> Split:
    """Split a data set for one seed.

    Raises:
      UserError: the pool holds fewer rows than the run wants to label, plus one.
    """
    rows = np.arange(len(dataset.train_labels))
    evaluation, evaluation_rows = "test", np.arange(len(dataset.test_labels))
    if config.eval == "validation":
        order = keys.rng(seed, "split", 0).permutation(rows)
        cut = round(VALIDATION_SHARE * len(rows))
        evaluation, evaluation_rows = "train", np.sort(order[:cut])
        rows = np.sort(order[cut:])
    if config.setting == "imbalanced":
        labels = dataset.train_labels[rows]
        generator = keys.rng(seed, "split", 1)
        kept = imbalanced(generator, labels, config.data.imbalance_ratio)
        rows = rows[kept]
    wanted = config.initial + (config.cycles - 1) * config.budget
    if wanted >= len(rows):
        remedy = f"lower --cycles, --initial or --budget: the pool has {len(rows)} rows"
        raise UserError("labels wanted by the last cycle", wanted, remedy)
    initial = keys.rng(seed, "initial").permutation(len(rows))[: config.initial]
    return Split(rows, evaluation, evaluation_rows, initial)


def imbalanced(
    generator: np.random.Generator, labels: np.ndarray, ratio: int
) -> np.ndarray:
    """Positions that stay when even classes keep one of `ratio` rows, ascending.

    Args:
      generator: draws which rows of a minor class stay.
      labels: int [n].
      ratio: major to minor; a minor class keeps floor(count / ratio) rows.

    Source: section 4.2; which half is minor is not said there, even as in CoreGCN.
    """
    kept = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if label % 2 == 0:
            members = generator.permutation(members)[: len(members) // ratio]
        kept.append(members)
    return np.sort(np.concatenate(kept))
