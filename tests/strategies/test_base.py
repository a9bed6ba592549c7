import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax import selection
from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.selection import CONSTRUCTIONS, Ask, Selector
from gmmal_jax.strategies import base
from gmmal_jax.testing.strategies import BUDGET, NUM_CLASSES, NUM_ROWS, view
from gmmal_jax.types import Streamed

KEY = jax.random.key(0)


def query(strategy, pool, budget=BUDGET, **select):
    ask = Ask(budget, NUM_CLASSES, SelectConfig(**select))
    return base.query(KEY, strategy, pool, ask)


def critic_score(key, view):
    return {"critic": jnp.asarray(view.columns["critic"])}


def two_scores(key, view):
    return {
        "critic": jnp.asarray(view.columns["critic"]),
        "negated": -jnp.asarray(view.columns["log_likelihood_labeled"]),
    }


ONE = base.Strategy("one", frozenset({"critic"}), critic_score)
LAST = Selector(
    frozenset(),
    lambda key, view, total, ask: np.flatnonzero(view.candidates)[-ask.budget :],
)
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
    own = ONE._replace(select=CONSTRUCTIONS[diversity])
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


def test_score_and_selector_see_no_column_but_their_own():
    seen = []

    def score(key, view):
        seen.append(set(view.columns))
        return critic_score(key, view)

    def select(key, view, total, ask):
        seen.append(set(view.columns))
        return np.flatnonzero(view.candidates)[: ask.budget]

    chosen = Selector(frozenset({"latents"}), select)
    query(ONE._replace(score=score, select=chosen), view())
    assert seen == [{"critic"}, {"latents"}]


def test_a_selector_sees_all_rows_their_totals_and_what_is_asked():
    pool, seen = view(), []

    def select(key, view, total, ask):
        seen.append((view, total, ask))
        return np.flatnonzero(view.candidates)[: ask.budget]

    found = query(ONE._replace(select=Selector(frozenset(), select)), pool)
    ((given, total, ask),) = seen
    assert given._replace(columns=pool.columns) == pool
    np.testing.assert_array_equal(total, pool.columns["critic"])
    assert ask == Ask(BUDGET, NUM_CLASSES, SelectConfig())
    np.testing.assert_array_equal(
        found.indices, np.flatnonzero(pool.candidates)[:BUDGET]
    )


def test_rows_chosen_together_have_no_score_and_a_total_of_zero():
    together = base.Strategy("together", frozenset(), select=LAST)
    pool = view()
    found = query(together, pool)
    assert found.scores == found.ranks == {}
    assert found.total.dtype == np.float32 and not found.total.any()
    np.testing.assert_array_equal(
        found.indices, np.flatnonzero(pool.candidates)[-BUDGET:]
    )


def test_diversity_replaces_the_selector_of_a_strategy_that_scores():
    pool = view()
    found = query(ONE._replace(select=LAST), pool, diversity="none")
    np.testing.assert_array_equal(found.indices, query(ONE, pool).indices)


def test_diversity_is_refused_where_rows_are_chosen_together():
    together = base.Strategy("together", frozenset(), select=LAST)
    for diversity in CONSTRUCTIONS:
        with pytest.raises(UserError, match="--select.diversity: .* together"):
            base.columns_needed(together, SelectConfig(diversity=diversity))


def test_neither_a_score_nor_a_selector_is_refused():
    for selector in CONSTRUCTIONS.values():
        idle = base.Strategy("idle", frozenset(), select=selector)
        with pytest.raises(UserError, match="'idle'; give it a score"):
            base.columns_needed(idle, SelectConfig())


def test_the_classifiers_head_reaches_score_and_selector():
    pool, seen = view(), []
    kernel = np.random.default_rng(1).normal(size=(4, NUM_CLASSES)).astype(np.float32)
    pool = pool._replace(head=(kernel, np.float32([1, 2, 3])))

    def score(key, view):
        weights, bias = view.head
        latents = jnp.asarray(view.columns["latents"])
        return {"logit": (latents @ weights + bias[None])[:, 0]}

    def select(key, view, total, ask):
        seen.append(view.head)
        return LAST.select(key, view, total, ask)

    chosen = Selector(frozenset(), select)
    found = query(base.Strategy("head", frozenset({"latents"}), score, chosen), pool)
    expected = pool.columns["latents"] @ kernel[:, 0] + 1
    np.testing.assert_allclose(found.scores["logit"], expected, rtol=1e-5, atol=1e-5)
    assert seen == [pool.head]


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


def lazily(pool, *names):
    """The pool with columns that are read by rows."""

    def lazy(column):
        return Streamed(column.shape, column.dtype, lambda rows: column[rows])

    columns = {k: lazy(v) if k in names else v for k, v in pool.columns.items()}
    return pool._replace(columns=columns)


def noisy_score(key, view):
    """Looks at latents, and at random numbers of the rows' own."""
    drawn = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i)))(view.ids)
    return {"noisy": drawn + jnp.asarray(view.columns["latents"])[:, 0]}


@pytest.mark.parametrize("chunk", [7, 16_384])
def test_rows_that_are_read_in_chunks_score_alike(monkeypatch, chunk):
    monkeypatch.setattr(base, "_CHUNK_ROWS", chunk)
    noisy = base.Strategy("noisy", frozenset({"latents"}), noisy_score)
    pool = view()
    held, lazy = query(noisy, pool), query(noisy, lazily(pool, "latents"))
    np.testing.assert_array_equal(lazy.scores["noisy"], held.scores["noisy"])
    np.testing.assert_array_equal(lazy.ranks["noisy"], held.ranks["noisy"])
    np.testing.assert_array_equal(lazy.indices, held.indices)


def test_weights_keep_the_order_of_scores_that_are_read_in_chunks(monkeypatch):
    def scores(key, view):
        latents = jnp.asarray(view.columns["latents"])
        return {"second": latents[:, 0], "first": latents[:, 1]}

    monkeypatch.setattr(base, "_CHUNK_ROWS", 7)
    weighted = base.Strategy(
        "weighted", frozenset({"latents"}), scores,
        fusion=selection.Fusion(weights=(1.0, 3.0)),
    )  # fmt: skip
    pool = view()
    held, lazy = query(weighted, pool), query(weighted, lazily(pool, "latents"))
    expected = held.ranks["second"] + 3 * held.ranks["first"]
    np.testing.assert_allclose(held.total, expected, rtol=1e-6)
    np.testing.assert_array_equal(lazy.total, held.total)


@pytest.mark.parametrize("diversity", sorted(CONSTRUCTIONS))
def test_constructions_read_streamed_columns(monkeypatch, diversity):
    monkeypatch.setattr("gmmal_jax.selection.constructions._ROWS", 10)
    pool = view()
    lazy = lazily(pool, "latents", "logits")
    one, two = (query(TWO, each, diversity=diversity) for each in (pool, lazy))
    np.testing.assert_array_equal(one.indices, two.indices)
