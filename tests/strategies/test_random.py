import jax
import numpy as np

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, random
from gmmal_jax.testing.strategies import NUM_CLASSES, NUM_ROWS, restrict, view


def query(key, pool, budget):
    ask = Ask(budget, NUM_CLASSES, SelectConfig())
    return base.query(key, random.make(), pool, ask)


def test_needs_no_column():
    found = query(jax.random.key(0), restrict(view(), []), 5)
    assert len(found.indices) == 5


def test_every_candidate_is_drawn_equally_often():
    pool, draws, budget = view(), 400, 6
    counts = np.zeros(NUM_ROWS)
    for key in jax.random.split(jax.random.key(0), draws):
        counts[query(key, pool, budget).indices] += 1
    assert np.all(counts[~pool.candidates] == 0)
    share = budget / pool.candidates.sum()
    error = np.sqrt(draws * share * (1 - share))
    assert np.all(np.abs(counts[pool.candidates] - draws * share) < 4 * error)


def test_a_row_keeps_its_number_while_others_are_labeled():
    key = jax.random.key(0)
    early, late = query(key, view(4), 5), query(key, view(20), 5)
    assert set(view(4).ids) == set(view(20).ids)
    np.testing.assert_array_equal(early.scores["random"], late.scores["random"])
