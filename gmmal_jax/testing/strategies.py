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


def asks_for_the_last_rows(make: Make, columns: Columns | None = None) -> None:
    """Where the budget is all that is left, all that is left is chosen."""
    pool = view(NUM_ROWS - BUDGET, columns=columns)
    chosen = _query(make(), pool).indices
    assert set(chosen.tolist()) == set(np.flatnonzero(pool.candidates).tolist())


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
    asks_for_the_last_rows,
    repeats_itself,
    sees_no_hidden_label,
    reads_what_it_needs_only,
    leaves_the_pool_as_it_is,
    scores_each_row_alone,
    follows_its_rows,
    compiles_once,
)
"""Checks of one strategy, (make, columns=None) each; see `check_strategy`."""
