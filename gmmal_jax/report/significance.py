"""Is one arm better than another? Paired by seed: t tests, exact tests, Holm."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from gmmal_jax.report import arms, budget
from gmmal_jax.report.arms import Curves, Task
from gmmal_jax.report.statistics import accuracies, estimate

LEVEL = 0.05
FEWEST = 6
"""Seeds with which an exact two-sided test can reach 0.05: 2 of 2^6 sign flips."""
EXACT_SEEDS = 16
"""Up to so many all sign flips are tried, beyond them so many random ones."""


class Pair(NamedTuple):
    """One arm less another in the area under the budget curve, per cent.

    Attributes:
      method: whose area counts.
      base: whose is subtracted.
      n: seeds that both have run to the end.
      mean: of the differences within seeds.
      low: end of the 95 % t-interval; None with one seed.
      high: likewise.
      p_t: two-sided, of the t test; None where it cannot be made.
      p_t_holm: the same, adjusted for all pairs of the task.
      p_flips: two-sided, of the sign-flip test.
      p_flips_holm: the same, adjusted.
    """

    method: str
    base: str
    n: int
    mean: float
    low: float | None
    high: float | None
    p_t: float | None
    p_t_holm: float | None
    p_flips: float
    p_flips_holm: float


def pairs(task: Task) -> list[Pair]:
    """Every two arms of a task that share a seed, each pair once."""
    areas = {arm.label: budget.areas(task, accuracies(arm)) for arm in task.arms}
    found = []
    for one, other in combinations(areas, 2):
        gaps = differences(areas[one], areas[other])
        if gaps:
            found.append(_pair(one, other, gaps))
    return _adjusted(found)


def differences(one: dict[int, float], other: dict[int, float]) -> list[float]:
    """Of the seeds that both have, in their order."""
    return [one[seed] - other[seed] for seed in arms.shared(one, other)]


def differences_at(one: Curves, other: Curves, place: int) -> list[float]:
    """At one labeled size, of the seeds that have reached it in both."""
    mine, theirs = (
        {seed: curve[place] for seed, curve in values.items() if place < len(curve)}
        for values in (one, other)
    )
    return differences(mine, theirs)


def t_test(gaps: Sequence[float]) -> float | None:
    """Two-sided p of the mean of paired differences.

    None of fewer than two, and where they are equal: their spread says nothing then.
    """
    from scipy import stats

    # Equal differences of accuracies are equal to rounding only.
    if len(gaps) < 2 or np.ptp(gaps) <= 1e-9:
        return None
    return float(stats.ttest_1samp(gaps, 0.0).pvalue)


def sign_flips(gaps: Sequence[float]) -> float:
    """Two-sided p of the mean under all sign flips of paired differences.

    Beyond `EXACT_SEEDS` under random ones, with a fixed seed.
    """
    from scipy import stats

    # One difference flips to two means: SciPy wants more.
    if len(gaps) < 2 or not np.any(gaps):
        return 1.0
    found = stats.permutation_test(
        (gaps,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_SEEDS,
        batch=2**10,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the same order.

    SciPy adjusts for the rate of false discoveries only.

    Source: Holm, 1979: the i-th smallest of m times m - i + 1, made monotone.
    """
    m = len(p_values)
    order = np.argsort(p_values, kind="stable")
    factors = m - np.arange(m)
    steps = np.maximum.accumulate(np.asarray(p_values, float)[order] * factors)
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def _pair(one: str, other: str, gaps: list[float]) -> Pair:
    mean = estimate(gaps)
    assert mean is not None
    p_t, p_flips = t_test(gaps), sign_flips(gaps)
    return Pair(
        one, other, len(gaps), mean.mean, mean.low, mean.high, p_t, None, p_flips, 1.0
    )


def _adjusted(found: list[Pair]) -> list[Pair]:
    """Pairs with Holm's p-values; pairs without a t test are not among its family."""
    flips = holm([pair.p_flips for pair in found])
    tested = [pair.p_t for pair in found if pair.p_t is not None]
    left = iter(holm(tested))
    return [
        pair._replace(
            p_flips_holm=flip, p_t_holm=None if pair.p_t is None else next(left)
        )
        for pair, flip in zip(found, flips, strict=True)
    ]
