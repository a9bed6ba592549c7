"""True labels of a pool: what only who looks at a finished training may know.

A method never sees a label that it has not bought. What tells afterwards how it did on
rows that nobody asked for needs them all, and gets them here: nothing else in
experiments names them (tests/test_true_labels.py), so that who looks is plain.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax

from gmmal_jax import answers
from gmmal_jax.bind import Run
from gmmal_jax.oracle import simulated
from gmmal_jax.pool import Pool


def classes(run: Run, seed: int) -> np.ndarray:
    """The true class of every row of a seed's pool, int32 [n]."""
    labels: np.ndarray = run.dataset.train_labels[run.splits[seed].pool]
    return labels


def begun(run: Run, seed: int) -> Pool:
    """A seed's pool with its first labels, as a simulated oracle gives them."""
    return answers.first(run.splits[seed], simulated(classes(run, seed)))


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each row, in nats, float64 [m].

    Args:
      logits: [m, c].
      labels: int [m], the true classes.
    """
    log_p = log_softmax(np.asarray(logits, np.float64), axis=1)
    found: np.ndarray = -log_p[np.arange(len(labels)), labels]
    return found


def mean_of_first(values: np.ndarray, score: np.ndarray, first: int) -> float:
    """Mean value of the rows that a score puts first.

    Of rows that tie for the last places each counts as much as any other, so that no
    order of rows has a say.

    Args:
      values: [m], finite.
      score: [m], higher = first.
      first: how many rows; 1 to m.

    Raises:
      ValueError: not so many rows.
    """
    if not 1 <= first <= len(score):
        raise ValueError(f"the first {first} of {len(score)} rows")
    last = np.partition(score, -first)[-first]
    above, tied = score > last, score == last
    left = first - np.count_nonzero(above)
    return float((values[above].sum() + left * values[tied].mean()) / first)


def hardness(
    logits: np.ndarray,
    labels: np.ndarray,
    unlabeled: np.ndarray,
    scores: Mapping[str, np.ndarray],
    first: int,
) -> dict[str, float]:
    """How hard the unlabeled rows are that each score puts first.

    Args:
      logits: [n, c], of the pool.
      labels: int [n], the true classes.
      unlabeled: bool [n].
      scores: name -> [n], higher = asked first.
      first: how many rows.

    Returns:
      Score -> mean cross-entropy of its rows, in nats; "unlabeled" -> of all.

    Raises:
      ValueError: fewer rows are unlabeled.

    Source: section 3.5 and Figure 7.
    """
    losses = cross_entropies(logits, labels)[unlabeled]
    found = {
        name: mean_of_first(losses, np.asarray(score)[unlabeled], first)
        for name, score in scores.items()
    }
    return found | {"unlabeled": float(losses.mean())}
