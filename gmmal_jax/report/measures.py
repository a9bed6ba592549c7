"""Results and seconds over the seeds of each arm, cycle by cycle."""

from collections.abc import Sequence
from typing import NamedTuple

from gmmal_jax.report import arms
from gmmal_jax.report.arms import Arm, Curves, Task
from gmmal_jax.report.significance import differences_at
from gmmal_jax.report.statistics import Estimate, accuracies, estimate


class Measure(NamedTuple):
    """A number that records hold for every cycle.

    Attributes:
      name: in the records' results or diagnostics.
      title: of its table.
      factor: from the records' unit to the table's.
      best: 1: the larger the better, -1: the smaller, 0: neither.
      note: what its title does not say.
    """

    name: str
    title: str
    factor: float
    best: int
    note: str = ""


MEASURES = (
    Measure("accuracy", "Accuracy (%)", 100.0, 1),
    Measure("balanced_accuracy", "Balanced accuracy (%)", 100.0, 1),
    Measure("test_loss", "Test loss (nats)", 1.0, -1),
    Measure(
        "calibration_error",
        "Expected calibration error (%)",
        100.0,
        -1,
        "How far confidence and accuracy lie apart, in 15 bins of equal width.",
    ),
    Measure("labeled_class_entropy", "Entropy of the labeled classes (nats)", 1.0, 0),
)


class Cell(NamedTuple):
    """A mean over seeds.

    Attributes:
      method: the arm.
      labeled: labels trained on.
      n: seeds.
      mean: over them.
      low: end of the 95 % t-interval; None with one seed.
      high: likewise.
    """

    method: str
    labeled: int
    n: int
    mean: float
    low: float | None
    high: float | None


class Stage(NamedTuple):
    """Seconds of a stage.

    Attributes:
      method: the arm.
      stage: its name; "total" is their sum.
      n: cycles, of all seeds.
      seconds: mean of a cycle.
    """

    method: str
    stage: str
    n: int
    seconds: float


def by_cycle(task: Task, measure: Measure) -> list[Cell]:
    """A result of each arm at each labeled size that a seed has reached."""
    return [
        cell
        for arm in task.arms
        for cell in cells(
            task, arm.label, arms.curves(arm, measure.name, measure.factor)
        )
    ]


def gains(task: Task, base: str) -> list[Cell]:
    """Accuracy less that of arm `base` within seeds, in points, of every other arm."""
    values = {arm.label: accuracies(arm) for arm in task.arms}
    return [
        cell
        for label, own in values.items()
        if label != base
        for place, size in enumerate(task.sizes)
        for cell in _cell(
            label, size, estimate(differences_at(own, values[base], place))
        )
    ]


def cells(task: Task, label: str, values: Curves) -> list[Cell]:
    """Of one arm."""
    return [
        cell
        for place, size in enumerate(task.sizes)
        for cell in _cell(label, size, estimate(_at(values, place)))
    ]


def stages(task: Task) -> list[Stage]:
    """Mean seconds of a cycle, in the order in which the stages come."""
    return [
        Stage(arm.label, name, len(values), sum(values) / len(values))
        for arm in task.arms
        for name, values in _seconds(arm).items()
    ]


def _at(values: Curves, place: int) -> Sequence[float]:
    return [curve[place] for curve in values.values() if place < len(curve)]


def _cell(label: str, size: int, mean: Estimate | None) -> list[Cell]:
    """One, or none of no seed."""
    if mean is None:
        return []
    return [Cell(label, size, mean.num_seeds, mean.mean, mean.low, mean.high)]


def _seconds(arm: Arm) -> dict[str, list[float]]:
    """Stage -> seconds of each cycle; 0 where a cycle lacks a stage that others have.

    Records are sorted by name: what is known of the order is that the sum comes last.
    """
    records = [record for cycles in arm.cycles.values() for record in cycles]
    names = dict.fromkeys(name for record in records for name in record.timings)
    ordered = sorted(names, key=lambda name: name == "total")
    return {
        name: [float(record.timings.get(name, 0.0)) for record in records]
        for name in ordered
    }
