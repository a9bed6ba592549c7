"""What every query strategy must do."""

from pathlib import Path

import jax
import numpy as np
import pytest
from strategy_cases import BUDGET, NUM_CLASSES, NUM_ROWS, restrict, take, view

import gmmal_jax.strategies.base
from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, gmm, random, uncertainty

MAKERS = [
    gmm.make,
    random.make,
    uncertainty.entropy,
    uncertainty.margin,
    uncertainty.least_confidence,
]
KEY = jax.random.key(1)

every_strategy = pytest.mark.parametrize(
    "strategy", [make() for make in MAKERS], ids=lambda strategy: strategy.name
)


def query(strategy, pool, key=KEY, budget=BUDGET):
    return base.query(key, strategy, pool, Ask(budget, NUM_CLASSES, SelectConfig()))


def score(strategy, pool):
    pool = restrict(pool, strategy.needs)
    found = strategy.score(KEY, pool)
    return {name: np.asarray(values) for name, values in found.items()}


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_every_strategy_file_is_here_and_has_its_own_test():
    folder = Path(gmmal_jax.strategies.base.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    here = {make.__module__.rsplit(".", 1)[1] for make in MAKERS}
    assert here == names - {"base", "scores", "checks"}
    for name in names:
        assert (Path(__file__).parent / f"test_{name}.py").exists()


def test_names_are_distinct():
    names = [make().name for make in MAKERS]
    assert len(set(names)) == len(names)


@every_strategy
def test_query_is_valid(strategy):
    pool = view()
    found = query(strategy, pool)
    assert isinstance(found.indices, np.ndarray)
    assert found.indices.dtype == np.int32 and found.indices.shape == (BUDGET,)
    assert len(set(found.indices.tolist())) == BUDGET
    assert pool.candidates[found.indices].all()
    assert not pool.labeled[found.indices].any()
    assert found.scores.keys() == found.ranks.keys() and found.scores
    for values in (*found.scores.values(), *found.ranks.values(), found.total):
        assert values.shape == (NUM_ROWS,) and values.dtype == np.float32
        assert np.all(np.isfinite(values))
    for ranks in found.ranks.values():
        assert ranks.min() >= 0 and ranks.max() <= 1
        assert np.all(ranks[~pool.candidates] == 0)
    assert np.all(np.diff(found.total[found.indices]) <= 0)


@every_strategy
def test_candidates_may_be_fewer_than_the_unlabeled(strategy):
    pool = view()
    pool = pool._replace(candidates=pool.candidates & (np.arange(NUM_ROWS) % 2 == 0))
    assert pool.candidates[query(strategy, pool).indices].all()


@every_strategy
def test_same_key_same_query(strategy):
    same(query(strategy, view()), query(strategy, view()))


def test_another_key_another_query():
    other = query(random.make(), view(), jax.random.key(2))
    assert set(other.indices) != set(query(random.make(), view()).indices)


@every_strategy
def test_nothing_compiles_again_while_the_labeled_set_grows(strategy):
    query(strategy, view(4))
    with jax.no_tracing():
        for num_labeled in (10, 16, NUM_ROWS - BUDGET):
            query(strategy, view(num_labeled), jax.random.key(num_labeled))


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make().name)
def test_a_strategy_made_again_compiles_nothing(make):
    query(make(), view())
    with jax.no_tracing():
        query(make(), view())


@every_strategy
def test_the_last_rows_can_be_exhausted(strategy):
    pool = view(NUM_ROWS - BUDGET)
    found = query(strategy, pool)
    assert set(found.indices) == set(np.flatnonzero(pool.candidates))


@every_strategy
def test_hidden_labels_have_no_effect(strategy):
    pool = view()
    other = pool._replace(labels=np.where(pool.labeled, pool.labels, 1))
    same(query(strategy, pool), query(strategy, other))


@every_strategy
def test_columns_that_are_not_needed_are_not_read(strategy):
    pool = view()
    needed = base.columns_needed(strategy, SelectConfig())
    assert needed <= pool.columns.keys()
    same(query(strategy, restrict(pool, needed)), query(strategy, pool))
    # Scoring sees the strategy's own columns only, whatever the construction reads.
    assert score(strategy, pool).keys() == query(strategy, pool).scores.keys()


@every_strategy
def test_scores_on_chunks_are_scores_on_the_whole(strategy):
    pool = view()
    whole = score(strategy, pool)
    chunks = [
        score(strategy, take(pool, rows)) for rows in np.split(np.arange(NUM_ROWS), 3)
    ]
    for name, values in whole.items():
        joined = np.concatenate([chunk[name] for chunk in chunks])
        np.testing.assert_allclose(joined, values, rtol=1e-6)


@every_strategy
def test_permuting_rows_permutes_scores_and_picks(strategy):
    pool = view()
    order = np.random.default_rng(4).permutation(NUM_ROWS)
    found, moved = query(strategy, pool), query(strategy, take(pool, order))
    for name, values in found.scores.items():
        np.testing.assert_allclose(moved.scores[name], values[order], rtol=1e-6)
    np.testing.assert_array_equal(order[moved.indices], found.indices)
