"""Recall by class over the seeds of each arm, where all of them have come to."""

from typing import NamedTuple

from gmmal_jax.report.arms import Arm, Task
from gmmal_jax.report.statistics import estimate
from gmmal_jax.storage.records import Record


class ClassRecall(NamedTuple):
    """Recall of a class on the evaluation part, in per cent, a mean over seeds.

    Attributes:
      method: the arm.
      labeled: labels trained on.
      label: the class.
      n: seeds whose evaluation part has rows of it.
      mean: over them; None of none.
      low: end of the 95 % t-interval; None with one seed.
      high: likewise.
      support: rows of it, mean over the seeds.
    """

    method: str
    labeled: int
    label: int
    n: int
    mean: float | None
    low: float | None
    high: float | None
    support: float


def by_class(task: Task) -> list[ClassRecall]:
    """Of every class and arm at the last labeled size that all arms have come to.

    An arm that records no recalls, as older versions ran it, has no row and holds
    nobody back.
    """
    known = [arm for arm in task.arms if _recorded(arm)]
    for place in reversed(range(len(task.sizes))):
        there = [(arm.label, _at(arm, place)) for arm in known]
        if known and all(own for _, own in there):
            size = task.sizes[place]
            return [row for label, own in there for row in _of_arm(label, size, own)]
    return []


def lacking(task: Task) -> list[str]:
    """Labels of the arms that record no recalls."""
    return [arm.label for arm in task.arms if not _recorded(arm)]


def _recorded(arm: Arm) -> bool:
    return any(record.recalls for own in arm.cycles.values() for record in own)


def _at(arm: Arm, place: int) -> list[Record]:
    """A cycle of every seed that has finished it and recorded recalls."""
    reached = [own[place] for own in arm.cycles.values() if place < len(own)]
    return [record for record in reached if record.recalls]


def _of_arm(label: str, size: int, records: list[Record]) -> list[ClassRecall]:
    """A row a class, of records of one cycle."""
    count = max(len(record.recalls) for record in records)
    rows = []
    for place in range(count):
        own = [r.recalls[place] for r in records if place < len(r.recalls)]
        shares = [100.0 * each["recall"] for each in own if each["recall"] is not None]
        found = estimate(shares)
        rows.append(
            ClassRecall(
                method=label,
                labeled=size,
                label=int(own[0]["class"]),
                n=len(shares),
                mean=found and found.mean,
                low=found and found.low,
                high=found and found.high,
                support=sum(each["support"] for each in own) / len(own),
            )
        )
    return rows
