import jax
import jax.numpy as jnp
import numpy as np
import pytest
from strategy_cases import BUDGET, NUM_CLASSES, NUM_ROWS, view

from gmmal_jax import selection
from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.strategies import base

KEY = jax.random.key(0)


def query(strategy, pool, budget=BUDGET, **select):
    return base.query(KEY, strategy, pool, budget, NUM_CLASSES, SelectConfig(**select))


def critic_score(key, view, aux):
    return {"critic": jnp.asarray(view.columns["critic"])}


def two_scores(key, view, aux):
    return {
        "critic": jnp.asarray(view.columns["critic"]),
        "negated": -jnp.asarray(view.columns["log_likelihood_labeled"]),
    }


ONE = base.Strategy("one", frozenset({"critic"}), critic_score)
TWO = base.Strategy("two", frozenset({"critic", "log_likelihood_labeled"}), two_scores)


@pytest.mark.parametrize(
    ("diversity", "extra"),
    [
        ("none", set()),
        ("balance", {"logits"}),
        ("kmeans", {"latents"}),
        ("balance_kmeans", {"latents", "logits"}),
    ],
)
def test_columns_needed(diversity, extra):
    chosen = SelectConfig(diversity=diversity)
    assert base.columns_needed(ONE, chosen) == {"critic"} | extra
    own = ONE._replace(diversity=diversity)
    assert base.columns_needed(own, SelectConfig()) == {"critic"} | extra
    assert base.columns_needed(own, SelectConfig(diversity="none")) == {"critic"}


def test_one_score_is_the_total():
    pool = view()
    found = query(ONE, pool)
    np.testing.assert_array_equal(found.total, pool.columns["critic"])
    expected = np.flatnonzero(pool.candidates)
    expected = expected[np.argsort(-found.total[expected])][:BUDGET]
    np.testing.assert_array_equal(found.indices, expected)
    ranks = selection.rank(found.total, pool.candidates)
    np.testing.assert_array_equal(found.ranks["critic"], ranks)


def test_several_scores_are_fused_by_rank():
    pool = view()
    found = query(TWO, pool)
    critic = selection.rank(pool.columns["critic"], pool.candidates)
    values = -pool.columns["log_likelihood_labeled"]
    negated = selection.rank(values, pool.candidates)
    np.testing.assert_allclose(found.total, critic + negated, rtol=1e-6)


def test_a_strategy_sees_no_column_but_its_own():
    seen = []

    def fit(key, view):
        seen.append(set(view.columns))
        return ()

    def score(key, view, aux):
        seen.append(set(view.columns))
        return {"critic": jnp.asarray(view.columns["critic"])}

    query(ONE._replace(score=score, fit=fit), view(), diversity="balance_kmeans")
    assert seen == [{"critic"}, {"critic"}]


def test_what_was_fitted_reaches_the_score():
    def fit(key, view):
        return view.columns["critic"][view.labeled].mean()

    def score(key, view, aux):
        return {"distance": jnp.abs(jnp.asarray(view.columns["critic"]) - aux)}

    pool = view()
    found = query(ONE._replace(fit=fit, score=score), pool)
    centre = pool.columns["critic"][pool.labeled].mean()
    expected = np.abs(pool.columns["critic"] - centre)
    np.testing.assert_allclose(found.scores["distance"], expected, rtol=1e-5, atol=1e-7)


def test_balance_reads_the_classifier_and_the_bought_labels():
    pool = view(seed=3)
    found = query(ONE, pool, diversity="balance", quota="complement")
    pseudo = pool.columns["logits"].argmax(axis=1)
    seats = selection.quotas(
        np.bincount(pseudo[pool.candidates], minlength=NUM_CLASSES),
        np.bincount(pool.labels[pool.labeled], minlength=NUM_CLASSES),
        BUDGET,
        "complement",
    )
    counts = np.bincount(pseudo[found.indices], minlength=NUM_CLASSES)
    assert seats.sum() == BUDGET  # this seed leaves no surplus
    np.testing.assert_array_equal(counts, seats)


def test_rows_without_a_finite_score_are_asked_last():
    pool = view()
    broken = np.flatnonzero(pool.candidates)[:5]
    pool.columns["critic"][broken] = np.nan, np.inf, -np.inf, np.nan, np.inf
    for strategy in (ONE, TWO):
        found = query(strategy, pool)
        assert np.all(found.ranks["critic"][broken] == found.ranks["critic"][broken[0]])
    left = int(pool.candidates.sum())
    everything = query(ONE, pool, budget=left)
    assert set(everything.indices[-5:]) == set(broken)


def test_more_than_is_left_is_refused_in_one_line():
    with pytest.raises(UserError, match="--budget: 5; only 4 rows"):
        query(ONE, view(NUM_ROWS - 4), budget=5)
