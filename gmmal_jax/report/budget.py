"""What labels buy: the area under the budget curve, labels saved at an accuracy."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.report import arms
from gmmal_jax.report.arms import Curves, Task
from gmmal_jax.report.statistics import CONFIDENCE, accuracies, estimate

RESAMPLES = 2000
_ROUNDING = 1e-9
"""Per cent: the same seeds added up in another order differ by less."""


class Area(NamedTuple):
    """Area under an arm's budget curve, over the range of labels: per cent.

    Attributes:
      method: the arm.
      n: seeds that have run to the end.
      mean: over them.
      low: end of the 95 % t-interval; None with one seed.
      high: likewise.
    """

    method: str
    n: int
    mean: float
    low: float | None
    high: float | None


class Needed(NamedTuple):
    """Labels with which an arm's mean curve reaches an accuracy.

    Infinite where it never does: nothing is extrapolated. Between two labeled sizes
    the curve is a line. Intervals are 95 % percentiles of a bootstrap over seeds.

    Attributes:
      method: the arm.
      level: the accuracy, per cent.
      n: seeds that have run to the end.
      smallest: labels at first.
      largest: labels at the end.
      labels: how many it needs; the first size where it is there from the start.
      low: end of the interval; NaN with one seed.
      high: likewise.
      base: the arm it is compared with; None: none.
      saved: labels that `base` needs more, over the seeds that both have; infinite
        where one never gets there, NaN where neither does.
      bound: `saved` with `largest` in place of infinite labels: what `saved` is more
        than where it is infinite, or less than where it is so below 0.
      saved_low: end of the interval; -infinity where samples in which neither gets
        there, which may have saved any number, reach beyond it.
      saved_high: likewise, infinity.
    """

    method: str
    level: float
    n: int
    smallest: int
    largest: int
    labels: float
    low: float
    high: float
    base: str | None = None
    saved: float = math.nan
    bound: float = math.nan
    saved_low: float = math.nan
    saved_high: float = math.nan


def areas(task: Task, values: Curves) -> dict[int, float]:
    """Seed -> mean height of its curve over the labels, of seeds run to the end.

    Of one labeled size alone it is the value there.
    """
    from scipy.integrate import trapezoid

    sizes, whole = task.sizes, arms.whole(values, len(task.sizes))
    if len(sizes) == 1:
        return {seed: curve[0] for seed, curve in whole.items()}
    return {
        seed: float(trapezoid(curve, sizes)) / (sizes[-1] - sizes[0])
        for seed, curve in whole.items()
    }


def area_table(task: Task) -> list[Area]:
    """Of each arm that has a seed run to the end."""
    found = []
    for arm in task.arms:
        mean = estimate([*areas(task, accuracies(arm)).values()])
        if mean:
            found.append(
                Area(arm.label, mean.num_seeds, mean.mean, mean.low, mean.high)
            )
    return found


def level_of(task: Task, base: str | None) -> float | None:
    """The accuracy at which labels are counted, per cent, if none is asked for.

    It is what `base` ends with; without one, what the worst arm ends with.
    """
    last = {
        arm.label: float(_mean(np.array([*whole.values()]))[-1])
        for arm in task.arms
        if (whole := arms.whole(accuracies(arm), len(task.sizes)))
    }
    return last.get(base or "", min(last.values(), default=None))


def needed_table(task: Task, level: float, base: str | None) -> list[Needed]:
    """Labels that each arm needs, and saves beside `base`.

    Args:
      task: with its arms.
      level: accuracy in per cent.
      base: an arm's label; None: nothing is saved beside anything.
    """
    count = len(task.sizes)
    curves = {arm.label: arms.whole(accuracies(arm), count) for arm in task.arms}
    return [
        _needed(task, label, level, values, base, curves.get(base or "", {}))
        for label, values in curves.items()
        if values
    ]


def labels_at(sizes: Sequence[int], curve: np.ndarray, level: float) -> float:
    """Where a curve first reaches a level, on the line between two sizes.

    Returns:
      The first size where it is there from the start; infinity where it never is.
      What is missing by rounding alone is there.
    """
    there = np.flatnonzero(curve >= level - _ROUNDING)
    if not there.size:
        return math.inf
    i = there[0]
    if i == 0:
        return float(sizes[0])
    return float(np.interp(level, curve[i - 1 : i + 1], sizes[i - 1 : i + 1]))


def _mean(curves: np.ndarray) -> np.ndarray:
    """Over seeds, which are rows: the level that a base sets is a point of it."""
    mean: np.ndarray = curves.mean(axis=0)
    return mean


def _needed(
    task: Task,
    label: str,
    level: float,
    values: Curves,
    base: str | None,
    partners: Curves,
) -> Needed:
    mine = np.array([*values.values()])
    labels, low, high = _bootstrap(
        len(mine), lambda rows: labels_at(task.sizes, _mean(mine[rows]), level)
    )
    ends = (task.sizes[0], task.sizes[-1])
    plain = Needed(label, level, len(mine), *ends, labels, low, high)
    seeds = arms.shared(values, partners)
    if label == base or not seeds:
        return plain
    one, other = (np.array([v[seed] for seed in seeds]) for v in (values, partners))

    def both(rows: np.ndarray) -> list[float]:
        means = (_mean(each[rows]) for each in (other, one))
        return [labels_at(task.sizes, mean, level) for mean in means]

    def more(rows: np.ndarray) -> float:
        theirs, ours = both(rows)
        return theirs - ours

    saved, low, high = _bootstrap(len(seeds), more)
    theirs, ours = np.minimum(both(np.arange(len(seeds))), plain.largest).tolist()
    return plain._replace(
        base=base, saved=saved, bound=theirs - ours, saved_low=low, saved_high=high
    )


def _bootstrap(
    num: int, statistic: Callable[[np.ndarray], float]
) -> tuple[float, float, float]:
    """A statistic of rows 0 to num - 1, and the ends of its interval.

    The ends are members of the sample, as infinite ones have no middle. A sample
    without a value (neither of two gets there) may have any: it lies beyond both ends.
    """
    from scipy import stats

    rows = np.arange(num)
    value = statistic(rows)
    if num < 2:
        return value, math.nan, math.nan
    # SciPy's own interval, which is not used, knows no infinities.
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (rows,),
            statistic,
            n_resamples=RESAMPLES,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    sample = found.bootstrap_distribution
    tail = (1 - CONFIDENCE) / 2
    unknown = np.isnan(sample)
    lowest, highest = (np.where(unknown, end, sample) for end in (-np.inf, np.inf))
    low = np.quantile(lowest, tail, method="lower")
    high = np.quantile(highest, 1 - tail, method="higher")
    return value, float(low), float(high)
