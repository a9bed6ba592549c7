"""Cheap rows whose predicted classes add up to what the labeled set lacks."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.optimize import linprog, minimize
from scipy.special import expit

_SMALLEST = 1000
"""Rows that a linear program is worth being restricted to, at least."""
_ROWS_A_CLASS = 10
"""Rows for each class that it is restricted to at first."""
_SMOOTHING = (0.1, 0.03, 0.01)
"""Over how much of a row's reduced cost its amount falls from 1 to 0 where prices are
sought without a linear program: shares of what costs and imbalance differ by."""
_SEARCH = {"maxiter": 60, "maxcor": 20}
"""Steps at each of these, and what the search remembers of them."""
_TOLERANCE = 1e-6
"""Reduced costs below it are 0: ten times what HiGHS grants itself."""


def lacking(
    labels: Int[np.ndarray, " m"], budget: int, num_classes: int
) -> Int[np.ndarray, " c"]:
    """Rows that each class lacks of an equal share after this query, at least 0.

    Args:
      labels: int [m], bought so far; classes may be absent.
      budget: rows of this query.
      num_classes: c.

    Source: Bengar et al., 2022 (arXiv:2110.04543), for any number of labels.
    """
    held = np.bincount(labels, minlength=num_classes)
    share = (len(labels) + budget) // num_classes
    missing: np.ndarray = np.maximum(share - held, 0)
    return missing


class _Solution(NamedTuple):
    """Amounts [n] in [0, 1] of each row, and reduced costs [n]."""

    amounts: np.ndarray
    reduced: np.ndarray


def balanced_rows(
    costs: Float[np.ndarray, " n"],
    shares: Float[np.ndarray, "n c"],
    target: Int[np.ndarray, " c"],
    budget: int,
    weight: float,
) -> Int[np.ndarray, " budget"]:
    """Rows of little cost with classes near a target: a rounded linear program.

    Minimizes sum_i z_i costs_i + weight * sum_c |sum_i z_i shares_ic - target_c| over z
    in [0, 1] that add up to the budget, and takes the rows of largest z. At most c + 1
    of them are no whole numbers, so that little is lost by it.

    The program is solved for the rows that estimated prices leave in doubt, and if need
    be again with those that its own prices decide otherwise, until these prove that no
    other row would be (by more than 1e-6): the answer is that of the whole program.

    Args:
      costs: float64 [n].
      shares: float64 [n, c], of classes; finite.
      target: [c].
      budget: k, at most n.
      weight: of the imbalance.

    Returns:
      [k], distinct rows, those that are chosen most firmly first; of equal ones the
      first.

    Source: Bengar et al., 2022 (arXiv:2110.04543), whose integer program is relaxed
    here.
    """
    found = _solve(costs, shares, target, budget, weight)
    # Whole amounts are whole up to the solver's tolerance only.
    firm = np.round(found.amounts, 6)
    chosen: np.ndarray = np.lexsort((found.reduced, -firm))[:budget]
    return chosen


def _solve(
    costs: np.ndarray,
    shares: np.ndarray,
    target: np.ndarray,
    budget: int,
    weight: float,
) -> _Solution:
    """The whole program, by smaller ones."""
    num_rows, num_classes = shares.shape
    size = max(_SMALLEST, _ROWS_A_CLASS * num_classes)
    prices = np.zeros(num_classes + 1)
    if size < num_rows:
        prices = _estimated_prices(costs, shares, target, budget, weight)
    ever_wrong = np.zeros(num_rows, bool)
    while True:
        amounts, doubtful = _by_prices(costs - shares @ prices[:-1], budget, size)
        doubtful |= ever_wrong
        fixed = np.where(doubtful, 0.0, amounts)
        amounts[doubtful], prices = _program(
            costs[doubtful], shares[doubtful], target - fixed @ shares,
            budget - fixed.sum(), weight,
        )  # fmt: skip
        reduced = costs - shares @ prices[:-1] - prices[-1]
        wrong = np.where(amounts > 0, reduced > _TOLERANCE, reduced < -_TOLERANCE)
        wrong &= ~doubtful
        if not wrong.any():
            return _Solution(amounts, reduced)
        ever_wrong |= wrong  # so many more each time: it ends


def _estimated_prices(
    costs: np.ndarray,
    shares: np.ndarray,
    target: np.ndarray,
    budget: int,
    weight: float,
) -> Float[np.ndarray, " prices"]:
    """About the prices [c + 1] of target and budget, from the dual, smoothed.

    The dual's value of prices p, between -weight and weight, and m is target p +
    budget m + sum_i min(0, r_i) with the reduced costs r = costs - shares p - m. With
    -t log(1 + exp(-r / t)) in place of the minimum it has a gradient, and as many
    unknowns as prices.
    """
    limits = np.append(np.full(shares.shape[1], weight), np.inf)
    wanted = np.append(target, budget)
    last = min(budget, len(costs) - 1)
    prices = np.append(np.zeros(len(target)), np.partition(costs, last)[last])

    def against(prices: np.ndarray, t: float) -> tuple[float, np.ndarray]:
        reduced = (costs - shares @ prices[:-1] - prices[-1]) / t
        amounts = expit(-reduced)
        value = t * np.logaddexp(0, -reduced).sum() - prices @ wanted
        return value, np.append(amounts @ shares, amounts.sum()) - wanted

    for part in _SMOOTHING:
        t = max(part * (np.std(costs) + weight), _TOLERANCE)
        bounds = np.stack([-limits, limits], axis=1)
        found = minimize(
            against, prices, t, "L-BFGS-B", jac=True, bounds=bounds, options=_SEARCH
        )
        prices = found.x
    return prices


def _by_prices(
    costs: np.ndarray, budget: int, size: int
) -> tuple[Float[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """The cheapest rows, and which `size` rows around the last of them are in doubt."""
    num_rows = len(costs)
    order = np.argsort(costs, kind="stable")
    amounts, doubtful = np.zeros(num_rows), np.zeros(num_rows, bool)
    amounts[order[:budget]] = 1.0
    first = min(max(budget - size // 2, 0), max(num_rows - size, 0))
    doubtful[order[first : first + size]] = True
    return amounts, doubtful


def _program(
    costs: np.ndarray,
    shares: np.ndarray,
    target: np.ndarray,
    budget: float,
    weight: float,
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " prices"]]:
    """Solve it by HiGHS: amounts [n], and prices [c + 1] of target and budget."""
    num_rows, num_classes = shares.shape
    identity = sparse.identity(num_classes)
    # Amounts, then what a class has too much and too little.
    balance = sparse.hstack([sparse.csc_matrix(shares.T), -identity, identity])
    ones = np.concatenate([np.ones(num_rows), np.zeros(2 * num_classes)])
    most = np.concatenate([np.ones(num_rows), np.full(2 * num_classes, np.inf)])
    solved = linprog(
        np.concatenate([costs, np.full(2 * num_classes, weight)]),
        A_eq=sparse.vstack([balance, ones[None, :]], format="csc"),
        b_eq=np.append(target, budget),
        bounds=np.stack([np.zeros_like(most), most], axis=1),
        method="highs",
    )
    return solved.x[:num_rows], solved.eqlin.marginals
