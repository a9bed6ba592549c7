"""How often one arm beats another significantly, over tasks and labeled sizes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.report.arms import Task
from gmmal_jax.report.significance import LEVEL, differences_at, t_test
from gmmal_jax.report.statistics import accuracies


class Penalty(NamedTuple):
    """One cell of the matrix.

    Attributes:
      method: beats the other.
      beaten: is beaten.
      share: of cells, each task of equal weight, in [0, 1].
      tasks: in which both were compared.
      cells: labeled sizes of all these tasks at which a t test could be made.
    """

    method: str
    beaten: str
    share: float
    tasks: int
    cells: int


def matrix(tasks: Sequence[Task]) -> list[Penalty]:
    """Every ordered pair of arms that meet in a task.

    A cell is a task and a labeled size after the first, where nothing was chosen yet;
    an arm beats another there where the mean of the differences within seeds is
    positive and a two-sided t test has p < 0.05.

    Source: Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient
    Lower Bounds" (BADGE), 2020, section 4: there labels double from cell to cell, here
    every size counts.
    """
    shares: dict[tuple[str, str], list[tuple[float, int]]] = {}
    for task in tasks:
        for pair, wins in _wins(task).items():
            shares.setdefault(pair, []).append((float(np.mean(wins)), len(wins)))
    return [
        Penalty(
            *pair,
            float(np.mean([share for share, _ in found])),
            len(found),
            sum(count for _, count in found),
        )
        for pair, found in shares.items()
    ]


def _wins(task: Task) -> dict[tuple[str, str], list[bool]]:
    """Of each ordered pair: did the first beat the second at each size?"""
    values = {arm.label: accuracies(arm) for arm in task.arms}
    wins: dict[tuple[str, str], list[bool]] = {}
    for one in values:
        for other in values:
            for place in range(1, len(task.sizes)):
                gaps = differences_at(values[one], values[other], place)
                if one != other and len(gaps) > 1:
                    wins.setdefault((one, other), []).append(_better(gaps))
    return wins


def _better(gaps: Sequence[float]) -> bool:
    p = t_test(gaps)
    return p is not None and p < LEVEL and float(np.mean(gaps)) > 0
