"""CBAL: cases checked by hand, a float64 reading of its equations, and its program."""

import itertools
from pathlib import Path

import jax
import numpy as np
import pytest

from gmmal_jax import selection, testing
from gmmal_jax.config import CBALConfig, SelectConfig
from gmmal_jax.selection import Ask, balance
from gmmal_jax.strategies import base, cbal
from gmmal_jax.types import PoolView

REFERENCE = np.load(Path(__file__).parents[1] / "reference/cbal.npz")
POOLS = range(len(REFERENCE["value"]))
CENTER = CBALConfig(base="kcenter")
COSTS = np.array([-1, -0.9, -0.8, -0.1])
SHARES = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])


def view(labels, logits, latents=None):
    """The first rows are labeled."""
    n = len(logits)
    labeled = np.arange(n) < len(labels)
    latents = np.zeros((n, 1)) if latents is None else latents
    return PoolView(
        ids=np.arange(n, dtype=np.uint32) * 11 + 2,
        labeled=labeled,
        candidates=~labeled,
        labels=np.append(labels, np.full(n - len(labels), -1)).astype(np.int32),
        columns={"logits": np.float32(logits), "latents": np.float32(latents)},
    )


def chosen(options, pool, budget, seed=0):
    ask = Ask(budget, pool.columns["logits"].shape[1], SelectConfig())
    return base.query(jax.random.key(seed), cbal.make(options), pool, ask).indices


@pytest.mark.parametrize("weight, rows", [(0.0, {0, 1}), (0.6, {0, 3})])
def test_known_answer(weight, rows):
    """Costs and imbalance: -1.9 + 2w for rows 0 and 1, -1.1 for 0 and 3."""
    target = np.array([1, 1])
    found = selection.balanced_rows(COSTS, SHARES, target, 2, weight)
    assert set(found) == rows


def test_what_classes_lack_of_an_equal_share():
    """(4 + 5) // 4 = 2 for each; nobody has labeled class 3, or the last ones."""
    labels = np.array([0, 0, 0, 2])
    np.testing.assert_array_equal(selection.lacking(labels, 5, 4), [0, 2, 1, 2])
    none = np.zeros(0, np.int32)
    np.testing.assert_array_equal(selection.lacking(none, 5, 3), [1, 1, 1])


@pytest.mark.parametrize(
    "base_of, expected",
    [
        ("entropy", {2: 0.6, 10: 0.6, 100: 2.0, 1000: 2 * 2 / 0.6}),
        ("kcenter", {2: 5, 10: 5, 20: 10, 100: 50}),
    ],
)
def test_weights_are_the_authors(base_of, expected):
    options = CBALConfig(base=base_of)
    found = {c: cbal.weight_of(options, c) for c in expected}
    assert found == pytest.approx(expected)
    assert cbal.weight_of(CBALConfig(weight=0.3), 50) == 0.3


def objective(rows, logits, target):
    logits = np.float64(logits)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = powers / powers.sum(axis=1, keepdims=True)
    worth = np.sum(probs[rows] * np.log(probs[rows]))
    excess = np.abs(probs[rows].sum(axis=0) - target)
    return worth + REFERENCE["weight"] * excess.sum()


def chosen_of_twelve(pool):
    logits, labels = REFERENCE["logits"][pool], REFERENCE["labels"][pool]
    whole = np.concatenate([np.zeros((len(labels), logits.shape[1])), logits])
    return chosen(CBALConfig(), view(labels, whole), 4) - len(labels)


@pytest.mark.parametrize("pool", POOLS)
def test_twelve_rows_are_the_best_of_all_sets_but_for_rounding(pool):
    logits = REFERENCE["logits"][pool]
    rows = chosen_of_twelve(pool)
    found = objective(rows, logits, REFERENCE["target"][pool])
    # c + 1 rows may be half a row off: in entropy, and in the counts.
    half_rows = (logits.shape[1] + 1) / 2
    most = half_rows * (np.log(logits.shape[1]) + REFERENCE["weight"])
    assert -1e-9 <= found - REFERENCE["value"][pool] <= most


def test_most_queries_of_twelve_rows_are_the_best_of_all_sets():
    same = [set(chosen_of_twelve(p)) == set(REFERENCE["rows"][p]) for p in POOLS]
    assert np.mean(same) > 0.5


@pytest.mark.parametrize("seed", range(5))
def test_with_certain_classes_the_best_set_is_found(seed):
    """All corners of such a program are whole numbers."""
    rng = np.random.default_rng(seed)
    costs, classes = rng.normal(size=10), rng.integers(3, size=10)
    shares, target = np.eye(3)[classes], rng.integers(3, size=3)

    def value(rows):
        lack = np.abs(shares[list(rows)].sum(axis=0) - target).sum()
        return costs[list(rows)].sum() + 0.7 * lack

    best = min(map(value, itertools.combinations(range(10), 4)))
    found = selection.balanced_rows(costs, shares, target, 4, 0.7)
    assert value(found) == pytest.approx(best, abs=1e-6)


def test_distances_and_balance_are_the_references():
    latents, logits = REFERENCE["center_latents"], REFERENCE["center_logits"]
    options = CBALConfig(base="kcenter", weight=float(REFERENCE["center_weight"]))
    pool = view(REFERENCE["center_labels"], logits, latents)
    expected = REFERENCE["center_rows"]
    rows = chosen(options, pool, len(expected))
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
def test_by_distance_it_keeps_the_contract(check):
    check(lambda: cbal.make(CENTER))


def test_without_weight_by_distance_it_is_k_center():
    rng = np.random.default_rng(0)
    pool = view(np.zeros(4), rng.normal(size=(50, 3)), rng.gamma(1.0, size=(50, 4)))
    rows = chosen(CBALConfig(base="kcenter", weight=0.0), pool, 20)
    expected = selection.k_center_greedy(
        jax.random.key(0), pool.columns["latents"], pool.labeled, pool.candidates,
        20, ids=pool.ids,
    )  # fmt: skip
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("options", [CBALConfig(), CENTER], ids=["entropy", "kcenter"])
def test_rows_that_broke_down_come_last(options):
    rng = np.random.default_rng(1)
    logits, latents = rng.normal(size=(12, 3)), rng.gamma(1.0, size=(12, 2))
    logits[[5, 7]] = [[np.nan, 0, 0], [np.inf, 0, 0]]
    logits[8, 0] = -np.inf  # probability 0 is no accident
    pool = view([0, 1], logits, latents)
    assert set(chosen(options, pool, 8)).isdisjoint({5, 7})
    rows = chosen(options, pool, 10)
    assert set(rows[-2:]) == {5, 7} and len(set(rows)) == 10


def random_pool(num_rows, num_classes, seed):
    rng = np.random.default_rng(seed)
    powers = np.exp(2 * rng.normal(size=(num_rows, num_classes)))
    shares = powers / powers.sum(axis=1, keepdims=True)
    costs = np.sum(shares * np.log(shares), axis=1)
    return costs, shares, rng.integers(40, size=num_classes)


@pytest.mark.parametrize("budget", [1, 60, 1199])
def test_the_program_of_few_rows_is_the_whole_one(budget, monkeypatch):
    costs, shares, target = random_pool(1200, 4, budget)
    sizes = []

    def value(solution):
        lack = np.abs(solution.amounts @ shares - target).sum()
        return solution.amounts @ costs + 0.6 * lack

    solve = balance._program
    whole = balance._solve(costs, shares, target, budget, 0.6)  # 1,200 < 2,000
    monkeypatch.setattr(balance, "_SMALLEST", 30)
    monkeypatch.setattr(balance, "_ROWS_A_CLASS", 5)
    monkeypatch.setattr(
        balance, "_program", lambda *a: sizes.append(len(a[0])) or solve(*a)
    )
    part = balance._solve(costs, shares, target, budget, 0.6)
    assert max(sizes) < 600
    # 1e-6 a row is what reduced costs are known to.
    assert value(part) == pytest.approx(value(whole), abs=1e-6 * len(costs))
    assert part.amounts.sum() == pytest.approx(budget)
    # All but one for each class, and one, are whole.
    between = (part.amounts > 1e-6) & (part.amounts < 1 - 1e-6)
    assert between.sum() <= 4 + 1


def test_many_classes_take_few_and_small_programs(monkeypatch):
    """Prices from too few rows leave thousands in doubt."""
    costs, shares, target = random_pool(6000, 40, 0)
    sizes, solve = [], balance._program
    monkeypatch.setattr(
        balance, "_program", lambda *a: sizes.append(len(a[0])) or solve(*a)
    )
    selection.balanced_rows(costs, shares, target, 600, 2.0)
    assert len(sizes) <= 2 and max(sizes) <= 1100


def test_balance_is_bought():
    """Of a pool that is mostly of class 0, a query has what the labels lack."""
    rng = np.random.default_rng(2)
    truth = np.where(np.arange(400) % 10 == 0, rng.integers(1, 3, 400), 0)
    logits = 4 * np.eye(3)[truth] + rng.normal(size=(400, 3))
    pool = view(np.zeros(10), logits, rng.gamma(1.0, size=(400, 2)))
    for options in (CBALConfig(weight=5.0), CENTER):
        rows = chosen(options, pool, 20)
        shares = np.exp(logits[rows])
        shares /= shares.sum(axis=1, keepdims=True)
        # (10 + 20) / 3 of each: none of class 0, ten of the other two.
        off = np.abs(shares.sum(axis=0) - [0, 10, 10]).sum()
        plain = np.exp(logits[10:30]) / np.exp(logits[10:30]).sum(axis=1, keepdims=True)
        assert off < 0.5 * np.abs(plain.sum(axis=0) - [0, 10, 10]).sum()
