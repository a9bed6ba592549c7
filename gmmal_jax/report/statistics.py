"""Finished cycles as numbers: means, intervals, differences to a reference.

Accuracies are shares in the records and per cent here. Intervals are 95 % t-intervals
over seeds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.report import arms
from gmmal_jax.report.arms import Arm, Curves
from gmmal_jax.report.runs import Run

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over seeds, in the values' unit (here per cent).

    Attributes:
      mean: the mean.
      half_width: half the 95 % interval's width; None for one seed.
      num_seeds: how many seeds were averaged.
    """

    mean: float
    half_width: float | None
    num_seeds: int

    @property
    def low(self) -> float | None:
        """The interval's lower end."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The interval's upper end."""
        return None if self.half_width is None else self.mean + self.half_width


class Row(NamedTuple):
    """One method's line of the table.

    Attributes:
      label: the method.
      seeds: all of its seeds.
      sizes: the labeled sizes, the same in all rows.
      cells: accuracy at each size over the seeds that reached it; None: none did.
      average: mean over all sizes, over the seeds that reached them all.
      reference: label of the method subtracted below; None where a seed lacks its
        partner there, and for the reference itself.
      differences: accuracy less the reference's of the same seed, at each size.
      average_difference: the same of the average.
    """

    label: str
    seeds: tuple[int, ...]
    sizes: tuple[int, ...]
    cells: tuple[Estimate | None, ...]
    average: Estimate | None
    reference: str | None = None
    differences: tuple[Estimate | None, ...] = ()
    average_difference: Estimate | None = None


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean and t-interval: quantile * s / sqrt(n); None of no values."""
    from scipy.special import stdtrit

    n = len(values)
    if n == 0:
        return None
    mean = float(np.mean(values))
    if n == 1:
        return Estimate(mean, None, 1)
    quantile = stdtrit(n - 1, (1 + CONFIDENCE) / 2)
    return Estimate(mean, float(quantile * np.std(values, ddof=1) / np.sqrt(n)), n)


def summarise(runs: Sequence[Run]) -> list[Row]:
    """Mean accuracy per labeled size, and its difference to the reference.

    Runs of one label are pooled over their seeds. A seed still under way counts at
    the sizes it has reached and not in the average over sizes. Runs with the same
    reference label share one reference row, where a seed that several of them hold
    counts once, as the first has it.

    Args:
      runs: at least one, with distinct seeds for each label.

    Returns:
      One row for each label, methods before references, in the order given.

    Raises:
      UserError: see `arms.task`.
    """
    task = arms.task(runs)
    methods = {arm.label: accuracies(arm) for arm in task.arms}
    partners = methods.get(task.reference, {}) if task.reference else {}
    return [
        _row(label, task.sizes, values, task.reference, partners)
        for label, values in methods.items()
    ]


def accuracies(arm: Arm) -> Curves:
    """In per cent."""
    return arms.curves(arm, "accuracy", 100.0)


def _row(
    label: str,
    sizes: tuple[int, ...],
    values: Curves,
    reference: str | None,
    partners: Curves,
) -> Row:
    seeds = tuple(sorted(values))
    cells, average = _estimates(values, len(sizes))
    if label == reference or not set(values) <= set(partners):
        return Row(label, seeds, sizes, cells, average)
    paired = {
        seed: tuple(a - b for a, b in zip(values[seed], partners[seed], strict=False))
        for seed in seeds
    }
    differences, average_difference = _estimates(paired, len(sizes))
    return Row(
        label,
        seeds,
        sizes,
        cells,
        average,
        reference,
        differences,
        average_difference,
    )


def _estimates(
    values: Curves, num_sizes: int
) -> tuple[tuple[Estimate | None, ...], Estimate | None]:
    """The estimate at each size and that of the average over all sizes."""
    cells = tuple(
        estimate([curve[i] for curve in values.values() if i < len(curve)])
        for i in range(num_sizes)
    )
    averages = [float(np.mean(v)) for v in arms.whole(values, num_sizes).values()]
    return cells, estimate(averages)
