import itertools

import jax
import numpy as np
import pytest

from gmmal_jax.config import FuseConfig, SelectConfig
from gmmal_jax.errors import UserError
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


PAPER = FuseConfig()


def query(pool, budget, fuse=PAPER, **select):
    ask = Ask(budget, NUM_CLASSES, SelectConfig(**select))
    return base.query(KEY, gmm.make(fuse), pool, ask)


def test_equation_5_by_hand():
    found = query(four_rows(), 2, diversity="none")
    np.testing.assert_allclose(found.scores["likelihood_ratio"], [3, 1, 2, 2])
    np.testing.assert_allclose(found.ranks["likelihood_ratio"], [1, 0, 0.5, 0.5])
    np.testing.assert_allclose(found.ranks["critic"], [0, 1, 1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.ranks["entropy"], [1, 0, 2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(found.total, [2, 1, 1.5, 1.5], rtol=1e-6)
    assert found.indices[0] == 0 and found.indices[1] in (2, 3)


def test_the_paper_balances_and_clusters():
    strategy = gmm.make(FuseConfig())
    assert strategy.select == CONSTRUCTIONS["balance_kmeans"]
    assert base.columns_needed(strategy, SelectConfig()) == strategy.needs | {"latents"}
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


SCORES = ("likelihood_ratio", "critic", "entropy")
READS = {
    "likelihood_ratio": {"log_likelihood_labeled", "log_likelihood_unlabeled"},
    "critic": {"critic"},
    "entropy": {"logits"},
}
SUBSETS = [s for size in (1, 2, 3) for s in itertools.combinations(SCORES, size)]


@pytest.mark.parametrize("names", SUBSETS, ids="+".join)
def test_any_of_the_scores(names):
    """Their ranks add up; one alone is the total; columns of the others go unread."""
    strategy = gmm.make(FuseConfig(scores=names))
    assert strategy.needs == set().union(*(READS[name] for name in names))
    every = query(four_rows(), 2, diversity="none")
    found = query(four_rows(), 2, FuseConfig(scores=names), diversity="none")
    assert found.scores.keys() == set(names)
    read = every.scores if len(names) == 1 else every.ranks
    total = sum(read[name] for name in names)
    np.testing.assert_allclose(found.total, total, rtol=1e-6)


def test_weights_by_hand():
    """Ranks [1, 0, 1/2, 1/2] and [0, 1, 1/3, 2/3], once and three times."""
    fuse = FuseConfig(scores=("likelihood_ratio", "critic"), weights=(1.0, 3.0))
    found = query(four_rows(), 2, fuse, diversity="none")
    np.testing.assert_allclose(found.total, [1, 3, 1.5, 2.5], rtol=1e-6)
    assert found.indices.tolist() == [1, 3]


def test_product_of_ranks_by_hand():
    """Places [4, 1, 2.5, 2.5], [1, 4, 2, 3] and [4, 1, 3, 2], counted from below."""
    found = query(four_rows(), 4, FuseConfig(by="rank_product"), diversity="none")
    np.testing.assert_allclose(np.exp(found.total), [16, 4, 15, 15], rtol=1e-5)
    squared = FuseConfig(
        scores=("critic", "entropy"), weights=(2.0, 1.0), by="rank_product"
    )
    found = query(four_rows(), 1, squared, diversity="none")
    np.testing.assert_allclose(np.exp(found.total), [4, 16, 12, 18], rtol=1e-5)
    assert found.indices.tolist() == [3]


def test_places_are_counted_among_the_candidates():
    pool = four_rows()
    pool = pool._replace(candidates=np.array([True, False, True, True]))
    fuse = FuseConfig(scores=("critic", "entropy"), by="rank_product")
    found = query(pool, 1, fuse, diversity="none")
    np.testing.assert_allclose(np.exp(found.total[[0, 2, 3]]), [3, 4, 3], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"scores": ()}, "--fuse.scores: (); name at least one score"),
        ({"scores": ("critic", "critic")}, "name each score once"),
        ({"weights": (1.0, 2.0)}, "use one weight a score: 3"),
        ({"weights": (1.0, 0.0, 1.0)}, "use a positive number"),
    ],
)
def test_what_cannot_be_fused(options, line):
    with pytest.raises(UserError, match="--fuse") as error:
        FuseConfig(**options)
    assert line in str(error.value)


@pytest.mark.parametrize("diversity", CONSTRUCTIONS)
@pytest.mark.parametrize("by", ["rank_sum", "rank_product"])
def test_every_construction_of_every_fusion(diversity, by):
    pool = view()
    fuse = FuseConfig(by=by, weights=(1.0, 2.0, 3.0))
    found = query(pool, 6, fuse, diversity=diversity)
    assert len(set(found.indices.tolist())) == 6
    assert pool.candidates[found.indices].all()
