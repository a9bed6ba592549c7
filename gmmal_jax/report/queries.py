"""What was asked: classes of the labeled set over the cycles, overlap of queries."""

from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gmmal_jax.report import arms
from gmmal_jax.report.arms import Arm, Task
from gmmal_jax.storage.records import Record

Asked = frozenset[int]


class Overlap(NamedTuple):
    """Jaccard overlap of all rows that two arms, or two seeds of one, asked for.

    Attributes:
      method: an arm.
      other: another: of the same seeds; or itself: every two of its seeds.
      n: pairs of seeds.
      jaccard: mean of |both| / |either|, in [0, 1].
    """

    method: str
    other: str
    n: int
    jaccard: float


class Share(NamedTuple):
    """A class among the labels that a cycle trained on.

    Attributes:
      method: the arm.
      labeled: labels trained on.
      label: the class.
      n: seeds.
      labels: of it, mean over the seeds.
    """

    method: str
    labeled: int
    label: int
    n: int
    labels: float


def overlaps(task: Task) -> list[Overlap]:
    """Of every two arms, then within each arm; only where both have asked.

    Two arms are compared over the cycles that both have finished, so that one that is
    still under way looks no different for it.
    """
    found = []
    for one, other in combinations(task.arms, 2):
        seeds = arms.shared(one.cycles, other.cycles)
        together = [_together(one, other, (seed, seed)) for seed in seeds]
        found += _overlap(one.label, other.label, together)
    for arm in task.arms:
        pairs = combinations(sorted(arm.cycles), 2)
        found += _overlap(arm.label, arm.label, [_together(arm, arm, p) for p in pairs])
    return found


def jaccard(one: Asked, other: Asked) -> float | None:
    """|both| / |either|; None of two empty sets."""
    either = one | other
    return len(one & other) / len(either) if either else None


def class_shares(task: Task) -> list[Share]:
    """Labels of each class at each labeled size, of every arm that records them."""
    return [share for arm in task.arms for share in _shares(arm, task.sizes)]


def labels_of(cycles: list[Record]) -> list[np.ndarray]:
    """The labels that each cycle of one seed trained on; a part is unknown (-1) never.

    Without first labels, as records of other programs have none, no cycle's are known.
    """
    if not cycles[0].initial:
        return []
    bought = [row["label"] for row in cycles[0].initial]
    known = []
    for record in cycles:
        known.append(np.asarray(bought, np.int64))
        bought = bought + [row["label"] for row in record.queries]
    return known


def _together(one: Arm, other: Arm, seeds: tuple[int, int]) -> float | None:
    mine, theirs = one.cycles[seeds[0]], other.cycles[seeds[1]]
    common = min(len(mine), len(theirs))
    return jaccard(_asked(mine[:common]), _asked(theirs[:common]))


def _asked(cycles: list[Record]) -> Asked:
    """Rows of the data set: two seeds may have different pools of it."""
    return frozenset(int(row["id"]) for record in cycles for row in record.queries)


def _overlap(one: str, other: str, found: Iterable[float | None]) -> list[Overlap]:
    known = [each for each in found if each is not None]
    if not known:
        return []
    return [Overlap(one, other, len(known), float(np.mean(known)))]


def _shares(arm: Arm, sizes: tuple[int, ...]) -> list[Share]:
    known = [labels_of(cycles) for cycles in arm.cycles.values()]
    most = max((int(each[-1].max()) + 1 for each in known if each), default=0)
    found = []
    for place, size in enumerate(sizes):
        counts = [
            np.bincount(each[place], minlength=most)
            for each in known
            if place < len(each)
        ]
        if counts:
            means = np.mean(counts, axis=0)
            found += [
                Share(arm.label, size, label, len(counts), float(mean))
                for label, mean in enumerate(means)
            ]
    return found
