import jax
import numpy as np

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import CONSTRUCTIONS, Ask
from gmmal_jax.strategies import base, gmm
from gmmal_jax.testing.strategies import NUM_CLASSES, view

KEY = jax.random.key(0)


def four_rows():
    """Four candidates whose ranks are worked out by hand below."""
    pool = view()
    columns = {
        "log_likelihood_unlabeled": np.float32([4, 0, 2, 2]),
        "log_likelihood_labeled": np.float32([1, -1, 0, 0]),
        "critic": np.float32([0.1, 0.9, 0.5, 0.7]),
        "logits": np.float32([[0, 0, 0], [9, 0, 0], [0, 1, 0], [0, 0, 2]]),
        "latents": np.eye(4, dtype=np.float32),
    }
    return pool._replace(
        ids=np.arange(4, dtype=np.uint32),
        labeled=np.zeros(4, bool),
        candidates=np.ones(4, bool),
        labels=np.full(4, -1, np.int32),
        columns=columns,
    )


def query(pool, budget, **select):
    ask = Ask(budget, NUM_CLASSES, SelectConfig(**select))
    return base.query(KEY, gmm.make(), pool, ask)


def test_equation_5_by_hand():
    found = query(four_rows(), 2, diversity="none")
    np.testing.assert_allclose(found.scores["likelihood_ratio"], [3, 1, 2, 2])
    np.testing.assert_allclose(found.ranks["likelihood_ratio"], [1, 0, 0.5, 0.5])
    np.testing.assert_allclose(found.ranks["critic"], [0, 1, 1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.ranks["entropy"], [1, 0, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.total, [2, 1, 1.5, 1.5], rtol=1e-6)
    assert found.indices[0] == 0 and found.indices[1] in (2, 3)


def test_the_paper_balances_and_clusters():
    strategy = gmm.make()
    assert strategy.select == CONSTRUCTIONS["balance_kmeans"]
    assert base.columns_needed(strategy, SelectConfig()) == strategy.needs
    pool = four_rows()
    found = query(pool, 3)
    assert sorted(pool.columns["logits"][found.indices].argmax(axis=1)) == [0, 1, 2]


def test_likelihoods_that_broke_down_win_nothing():
    pool = four_rows()
    pool.columns["log_likelihood_unlabeled"][:2] = np.nan, np.inf
    found = query(pool, 4)
    np.testing.assert_allclose(
        found.ranks["likelihood_ratio"], [1 / 6, 1 / 6, 5 / 6, 5 / 6], rtol=1e-6
    )
    assert np.all(np.isfinite(found.total))
    assert set(found.indices) == {0, 1, 2, 3}
