"""What every query strategy must do, as checks that anybody can run on theirs.

In a test:

    @pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
    def test_mine(check):
        check(mine.make)

or all at once: `testing.check_strategy(mine.make)`. Checks are plain functions that
raise; they need no test runner.
"""

from collections.abc import Callable, Iterable, Mapping

import chex
import jax
import numpy as np

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import CONSTRUCTIONS, Ask
from gmmal_jax.strategies import base
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import Key, PoolView, Query

NUM_ROWS, NUM_CLASSES, NUM_DIMS, BUDGET = 30, 3, 4, 6
"""Sizes of the checks' pool and query."""

Make = Callable[[], Strategy]
Columns = Mapping[str, np.ndarray]
Check = Callable[[Make, Columns | None], None]


def check_strategy(make: Make, columns: Columns | None = None) -> None:
    """Run all checks on a strategy.

    Args:
      make: makes it.
      columns: name -> float32 [NUM_ROWS, ...], for strategies that read columns beside
        those of `view`, or other values of them.

    Raises:
      AssertionError: it breaks the contract; a note says which part.
      UserError: likewise, where a run refuses it in one line.
    """
    for check in STRATEGY_CHECKS:
        try:
            check(make, columns)
        except Exception as error:
            error.add_note(f"{check.__name__}: {check.__doc__}")
            raise


def view(
    num_labeled: int = 8, seed: int = 0, columns: Columns | None = None
) -> PoolView:
    """A synthetic pool with every column that our learners give.

    Args:
      num_labeled: rows that are labeled, of a random order that the seed fixes.
      seed: of everything.
      columns: are added, or replace ours.
    """
    rng = np.random.default_rng(seed)
    labeled = np.zeros(NUM_ROWS, bool)
    labeled[rng.permutation(NUM_ROWS)[:num_labeled]] = True
    truth = rng.integers(NUM_CLASSES, size=NUM_ROWS)
    latents = rng.gamma(1.0, size=(NUM_ROWS, NUM_DIMS))
    kernel = rng.normal(size=(NUM_DIMS, NUM_CLASSES))
    bias = rng.normal(size=NUM_CLASSES)
    ours = {
        "logits": latents @ kernel + bias,
        "latents": latents,
        "critic": rng.uniform(size=NUM_ROWS),
        "log_likelihood_labeled": 100 * rng.normal(size=NUM_ROWS),
        "log_likelihood_unlabeled": 100 * rng.normal(size=NUM_ROWS),
        "predicted_loss": rng.gamma(1.0, size=NUM_ROWS),
        "member_logits": rng.normal(size=(NUM_ROWS, 5, NUM_CLASSES)),
        "discrepancy": rng.uniform(size=NUM_ROWS),
        "compared": np.ones(NUM_ROWS),
        "mean_entropy": rng.uniform(size=NUM_ROWS),
        "looks_unlabeled": rng.normal(size=NUM_ROWS),
        "looks_unlabeled_by_rank": rng.normal(size=NUM_ROWS),
    }
    return PoolView(
        ids=rng.permutation(1000)[:NUM_ROWS].astype(np.uint32),
        labeled=labeled,
        candidates=~labeled,
        labels=np.where(labeled, truth, -1).astype(np.int32),
        columns={name: values.astype(np.float32) for name, values in ours.items()}
        | dict(columns or {}),
        head=(kernel.astype(np.float32), bias.astype(np.float32)),
    )


def take(pool: PoolView, rows: np.ndarray) -> PoolView:
    """The pool of some of the rows, in that order.

    Args:
      pool: all rows.
      rows: int [m].
    """
    return pool._replace(
        ids=pool.ids[rows],
        labeled=pool.labeled[rows],
        candidates=pool.candidates[rows],
        labels=pool.labels[rows],
        columns={name: values[rows] for name, values in pool.columns.items()},
    )


def restrict(pool: PoolView, names: Iterable[str]) -> PoolView:
    """The pool with the named columns only."""
    return pool._replace(columns={name: pool.columns[name] for name in names})


def _query(strategy: Strategy, pool: PoolView, key: Key | None = None) -> Query:
    key = jax.random.key(1) if key is None else key
    return base.query(key, strategy, pool, Ask(BUDGET, NUM_CLASSES, SelectConfig()))


def chooses_distinct_candidates(make: Make, columns: Columns | None = None) -> None:
    """A query is exactly the budget of distinct candidates, int32, best first."""
    strategy, pool = make(), view(columns=columns)
    found = _query(strategy, pool)
    chex.assert_shape(found.indices, (BUDGET,))
    chex.assert_type(found.indices, np.int32)
    assert len(set(found.indices.tolist())) == BUDGET, "rows are chosen twice"
    assert pool.candidates[found.indices].all(), "rows may not be asked"
    if strategy.select in CONSTRUCTIONS.values():
        falling = np.diff(found.total[found.indices]) <= 0
        assert falling.all(), "rows do not stand in the order of their totals"


def scores_all_rows(make: Make, columns: Columns | None = None) -> None:
    """Scores and ranks are finite float32 for all rows; ranks lie in [0, 1]."""
    found = _query(make(), view(columns=columns))
    assert found.scores.keys() == found.ranks.keys()
    values = [*found.scores.values(), *found.ranks.values(), found.total]
    chex.assert_shape(values, (NUM_ROWS,))
    chex.assert_type(values, np.float32)
    chex.assert_tree_all_finite(values)
    for ranks in found.ranks.values():
        assert ranks.min() >= 0 and ranks.max() <= 1, "ranks leave [0, 1]"


def keeps_to_the_candidates(make: Make, columns: Columns | None = None) -> None:
    """Unlabeled rows that may not be asked this time are not chosen."""
    pool = view(columns=columns)
    pool = pool._replace(candidates=pool.candidates & (np.arange(NUM_ROWS) % 2 == 0))
    chosen = _query(make(), pool).indices
    assert pool.candidates[chosen].all(), "rows may not be asked"


def asks_for_all_that_is_left(make: Make, columns: Columns | None = None) -> None:
    """Where as many rows may be asked as are wanted, these are chosen."""
    strategy, spent = make(), view(NUM_ROWS - BUDGET, columns=columns)
    for left in (spent, _with_few_candidates(view(columns=columns))):
        chosen = _query(strategy, left).indices
        assert set(chosen.tolist()) == set(np.flatnonzero(left.candidates).tolist())


def _with_few_candidates(pool: PoolView) -> PoolView:
    few = np.flatnonzero(pool.candidates)[:BUDGET]
    return pool._replace(candidates=np.isin(np.arange(NUM_ROWS), few))


def asks_without_labels(make: Make, columns: Columns | None = None) -> None:
    """In a pool without any label it asks, and the rows' places decide nothing."""
    strategy, pool = make(), view(0, columns=columns)
    order = np.random.default_rng(5).permutation(NUM_ROWS)
    found, moved = _query(strategy, pool), _query(strategy, take(pool, order))
    chex.assert_tree_all_finite((found.scores, found.ranks, found.total))
    chex.assert_trees_all_equal(order[moved.indices], found.indices)


def asks_where_classes_have_no_labels(
    make: Make, columns: Columns | None = None
) -> None:
    """All labels may be of one class, and a class may be nobody's prediction."""
    strategy, pool = make(), view(columns=columns)
    one_class = pool._replace(labels=np.where(pool.labeled, 1, -1).astype(np.int32))
    for rows in (one_class, _without_predictions(one_class, NUM_CLASSES - 1)):
        found = _query(strategy, rows)
        chex.assert_tree_all_finite((found.scores, found.ranks, found.total))


def _without_predictions(pool: PoolView, label: int) -> PoolView:
    assert pool.head is not None
    off = np.where(np.arange(NUM_CLASSES) == label, np.float32(-100), np.float32(0))
    logits = pool.columns["logits"] + off[None]
    kernel, bias = pool.head
    return pool._replace(
        columns={**pool.columns, "logits": logits}, head=(kernel, bias + off)
    )


def asks_equal_rows_once(make: Make, columns: Columns | None = None) -> None:
    """Rows of equal columns, some of them labeled, are chosen once each, if at all."""
    strategy, pool = make(), view(columns=columns)
    for num_different in (BUDGET // 2, 1):
        alike = _repeating(pool, num_different)
        for rows in (alike, _dead(alike)):
            _query(strategy, rows)
            _query(strategy, _with_few_candidates(rows))


def _repeating(pool: PoolView, num_different: int) -> PoolView:
    """The pool with the columns of its first rows, over and over."""
    rows = np.arange(NUM_ROWS) % num_different
    return pool._replace(
        columns={name: values[rows] for name, values in pool.columns.items()}
    )


def _dead(pool: PoolView) -> PoolView:
    """The pool of a network whose last ReLU lets nothing through."""
    assert pool.head is not None
    latents = np.zeros_like(pool.columns["latents"])
    logits = np.zeros_like(pool.columns["logits"]) + pool.head[1][None]
    return pool._replace(columns={**pool.columns, "latents": latents, "logits": logits})


def chooses_from_the_end(make: Make, columns: Columns | None = None) -> None:
    """The rows that it asks for may as well be the last ones of the pool."""
    strategy, pool = make(), view(columns=columns)
    chosen = _query(strategy, pool).indices
    order = np.append(np.setdiff1d(np.arange(NUM_ROWS), chosen), chosen[::-1])
    moved = _query(strategy, take(pool, order)).indices
    chex.assert_trees_all_equal(order[moved], chosen)


def repeats_itself(make: Make, columns: Columns | None = None) -> None:
    """The same key and pool give the same query."""
    pool = view(columns=columns)
    chex.assert_trees_all_equal(_query(make(), pool), _query(make(), pool))


def sees_no_hidden_label(make: Make, columns: Columns | None = None) -> None:
    """Labels that were not bought have no effect."""
    pool = view(columns=columns)
    told = pool._replace(labels=np.where(pool.labeled, pool.labels, 1))
    chex.assert_trees_all_equal(_query(make(), pool), _query(make(), told))


def reads_what_it_needs_only(make: Make, columns: Columns | None = None) -> None:
    """Columns that are not needed may be anything, or not there; so may the head."""
    strategy, pool = make(), view(columns=columns)
    needs = base.columns_needed(strategy, SelectConfig())
    missing = sorted(needs - pool.columns.keys())
    assert not missing, f"no such columns here: {missing}; hand them over as `columns`"
    broken = {
        name: values if name in needs else np.full_like(values, np.nan)
        for name, values in pool.columns.items()
    }
    head = pool.head if strategy.needs_head else None
    expected = _query(strategy, pool)
    for other in (restrict(pool, needs), pool._replace(columns=broken, head=head)):
        chex.assert_trees_all_equal(_query(strategy, other), expected)


def leaves_the_pool_as_it_is(make: Make, columns: Columns | None = None) -> None:
    """Nothing is written into the pool's arrays."""
    untouched = view(columns=columns)
    pool = jax.tree.map(np.array, untouched)
    _query(make(), pool)
    chex.assert_trees_all_equal(pool, untouched)


def scores_each_row_alone(make: Make, columns: Columns | None = None) -> None:
    """Scores of a part of the rows are those of the whole, in that part."""
    strategy, pool, key = make(), view(columns=columns), jax.random.key(1)
    whole, _, _ = base.score_pool(key, strategy, pool)
    for rows in np.split(np.arange(NUM_ROWS), 3):
        part, _, _ = base.score_pool(key, strategy, take(pool, rows))
        expected = {name: values[rows] for name, values in whole.items()}
        chex.assert_trees_all_close(part, expected, rtol=1e-5, atol=1e-6)


def follows_its_rows(make: Make, columns: Columns | None = None) -> None:
    """Permuting the rows permutes scores and picks: numbers belong to ids."""
    pool, order = view(columns=columns), np.random.default_rng(4).permutation(NUM_ROWS)
    found, moved = _query(make(), pool), _query(make(), take(pool, order))
    expected = {name: values[order] for name, values in found.scores.items()}
    chex.assert_trees_all_close(moved.scores, expected, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_equal(order[moved.indices], found.indices)


def compiles_once(make: Make, columns: Columns | None = None) -> None:
    """Nothing is traced again while the labeled set grows."""
    strategy = make()
    if strategy.score is not base.score_nothing:
        strategy = strategy._replace(score=chex.assert_max_traces(strategy.score, 1))
    _query(strategy, view(4, columns=columns))
    with jax.no_tracing():
        for num_labeled in (10, 16, NUM_ROWS - BUDGET):
            pool = view(num_labeled, columns=columns)
            _query(strategy, pool, jax.random.key(num_labeled))


STRATEGY_CHECKS: tuple[Check, ...] = (
    chooses_distinct_candidates,
    scores_all_rows,
    keeps_to_the_candidates,
    asks_for_all_that_is_left,
    asks_without_labels,
    asks_where_classes_have_no_labels,
    asks_equal_rows_once,
    chooses_from_the_end,
    repeats_itself,
    sees_no_hidden_label,
    reads_what_it_needs_only,
    leaves_the_pool_as_it_is,
    scores_each_row_alone,
    follows_its_rows,
    compiles_once,
)
"""Checks of one strategy, (make, columns=None) each; see `check_strategy`."""
