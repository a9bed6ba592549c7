import numpy as np
import pytest

from gmmal_jax import oracle, pool


def test_labels_are_known_only_where_bought():
    answer = oracle.simulated(np.arange(10) % 3)
    before = pool.make(np.arange(10) + 100)
    rows = np.array([7, 2])
    after = pool.label(before, rows, answer(rows), cycle=1)
    assert not before.labeled.any()
    assert np.flatnonzero(after.labeled).tolist() == [2, 7]
    assert after.labels[7] == 1 and after.labels[2] == 2
    assert (after.labels[~after.labeled] == -1).all()
    assert after.since[7] == 1 and after.ids[7] == 107


@pytest.mark.parametrize("rows", [[2, 2], [3, 1]])
def test_no_row_is_bought_twice(rows):
    some = pool.label(pool.make(np.arange(5)), np.array([1]), np.array([0]), 0)
    with pytest.raises(ValueError, match="distinct"):
        pool.label(some, np.array(rows), np.array([0, 0]), 1)


def test_candidates_are_unlabeled_and_as_many_as_asked():
    some = pool.label(pool.make(np.arange(50)), np.arange(10), np.zeros(10, int), 0)
    every = pool.draw_candidates(np.random.default_rng(0), some, None)
    np.testing.assert_array_equal(every, ~some.labeled)
    part = pool.draw_candidates(np.random.default_rng(0), some, 15)
    assert part.sum() == 15 and not (part & some.labeled).any()
    rest = pool.draw_candidates(np.random.default_rng(0), some, 1000)
    np.testing.assert_array_equal(rest, ~some.labeled)
