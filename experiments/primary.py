"""The primary comparisons, fixed before the first run: all that gets a p-value.

One training for all: the paper's own (`reg_da`), so that arms differ in what they ask
alone. Each of two settings asks six questions; Holm's procedure holds the chance of any
false finding among the twelve at 5 %. A row of `compare_digits` that is not named here
is exploratory: an interval, no p.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from gmmal_jax.report import holm as holm

LEARNER = "reg_da"
QUERY = "gmm"
OTHERS = ("random", "entropy", "margin", "badge", "coreset", "four_ds")
"""Queries that the paper's is compared with."""
SETTINGS = ("balanced", "imbalanced")
SEEDS = tuple(range(20))
LEVEL = 0.05


def p_value(gaps: Sequence[float]) -> float:
    """Two-sided, of the mean of paired differences; 1 where all are 0 (t-test)."""
    if not np.any(gaps):
        return 1.0
    return float(stats.ttest_1samp(gaps, 0.0).pvalue)
