import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from gmmal_jax import selection

KEY = jax.random.key(0)


def ids(n):
    return np.arange(n, dtype=np.uint32) * 17 + 5


class TestRank:
    def test_known_answer(self):
        found = selection.rank(np.float32([3, 1, 2, 2]), np.ones(4, bool))
        np.testing.assert_array_equal(found, [1, 0, 0.5, 0.5])

    @settings(deadline=None, max_examples=40)
    @given(
        hnp.arrays(np.float32, 6, elements=st.sampled_from([-1e9, -0.0, 0, 1, 2, 1e9])),
        hnp.arrays(bool, 6),
    )
    def test_equals_scipy(self, values, mask):
        expected = np.zeros(6)
        if mask.sum() > 1:
            ranks = stats.rankdata(values[mask].astype(np.float64))
            expected[mask] = (ranks - 1) / (mask.sum() - 1)
        found = selection.rank(values, mask)
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_one_row_and_no_row(self):
        values = np.float32([5, 1, 2, 2])
        for mask in ([True, False, False, False], [False] * 4):
            np.testing.assert_array_equal(selection.rank(values, np.array(mask)), 0)

    def test_rows_that_are_not_finite_share_the_lowest_rank(self):
        values = np.float32([np.nan, 7, np.inf, -np.inf, -7, np.nan])
        mask = np.array([True] * 5 + [False])
        found = selection.rank(values, mask)
        np.testing.assert_array_equal(found, [0.25, 1, 0.25, 0.25, 0.75, 0])


class TestTopK:
    def test_best_first_within_the_mask(self):
        total = np.float32([1, 9, 3, 4, 5])
        mask = np.array([True, False, True, True, True])
        found = selection.top_k(KEY, total, mask, 3, ids=ids(5))
        np.testing.assert_array_equal(found, [4, 3, 2])
        assert found.dtype == jnp.int32

    def test_not_finite_comes_after_finite_and_before_masked(self):
        total = np.float32([np.nan, 9, np.inf, -5])
        mask = np.array([True, False, True, True])
        found = selection.top_k(KEY, total, mask, 4, ids=ids(4))
        assert found[0] == 3 and found[3] == 1

    def test_permuting_rows_permutes_ties(self):
        order = np.random.default_rng(0).permutation(20)
        total, mask = np.zeros(20, np.float32), np.arange(20) % 3 > 0
        found = selection.top_k(KEY, total, mask, 8, ids=ids(20))
        moved = selection.top_k(KEY, total, mask[order], 8, ids=ids(20)[order])
        np.testing.assert_array_equal(order[moved], found)

    def test_ties_are_uniform_over_keys(self):
        keys = jax.random.split(KEY, 400)
        first = jax.vmap(
            lambda key: selection.top_k(
                key, jnp.zeros(4), jnp.ones(4, bool), 1, ids=jnp.asarray(ids(4))
            )
        )(keys)
        counts = np.bincount(np.asarray(first)[:, 0], minlength=4)
        # Four standard deviations of a binomial(400, 1/4).
        assert np.all(np.abs(counts - 100) < 4 * np.sqrt(400 * 0.25 * 0.75))
