"""From a budget to seats of each class."""

from typing import Literal

import numpy as np
from jaxtyping import Int

Quota = Literal["uniform", "complement"]


def quotas(
    num_candidates: Int[np.ndarray, " c"],
    labeled_counts: Int[np.ndarray, " c"],
    budget: int,
    mode: Quota,
) -> Int[np.ndarray, " c"]:
    """Seats of each class in a query, by the method of largest remainders.

    Args:
      num_candidates: [c], rows that may be asked and are believed to be of a class.
      labeled_counts: [c], labels bought so far; equal remainders go to the class that
        has fewest.
      budget: seats to share.
      mode: uniform: equal shares; complement: shares proportional to what each class
        lacks of an equal part of the labeled set after this query, 0 for classes that
        have more.

    Returns:
      int32 [c], at most `num_candidates`; they sum to the budget unless a class has
      fewer candidates than its share.

    Source: class balance of section 3.5; the rule is ours (A26).
    """
    num_classes = len(num_candidates)
    held = labeled_counts.astype(np.int64)
    if mode == "uniform":
        lacking = np.ones(num_classes, np.int64)
    else:
        lacking = np.maximum(held.sum() + budget - num_classes * held, 0)
    # Integers: a remainder rounded in float32 would break ties by accident.
    shares, remainders = np.divmod(budget * lacking, lacking.sum())
    order = np.lexsort((held, -remainders))
    shares[order[: budget - shares.sum()]] += 1
    granted: np.ndarray = np.minimum(shares, num_candidates)
    return granted.astype(np.int32)
