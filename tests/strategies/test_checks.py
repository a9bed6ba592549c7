"""Each mistake of a strategy's author is one line with name, place and remedy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from test_every_strategy import MAKERS

from gmmal_jax import assembly, methods
from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.phases.base import check_learner
from gmmal_jax.selection import Ask, Selector
from gmmal_jax.storage import records
from gmmal_jax.strategies import base, checks
from gmmal_jax.testing import worlds
from gmmal_jax.testing.strategies import BUDGET, NUM_CLASSES, NUM_ROWS, restrict, view

ASK = Ask(BUDGET, NUM_CLASSES, SelectConfig())


def refused(strategy, pool=None):
    """The one line of what the query refuses."""
    with pytest.raises(UserError) as error:
        base.query(jax.random.key(0), strategy, pool or view(), ASK)
    line = str(error.value)
    assert "\n" not in line and line.startswith("query strategy mine")
    return line


def refused_when_built(strategy):
    """The line of `check_scores`, from shapes alone; the query refuses it, too."""
    shapes = {
        name: jax.ShapeDtypeStruct(values.shape, values.dtype)
        for name, values in view().columns.items()
    }
    with pytest.raises(UserError) as error:
        base.check_scores(strategy, base.abstract_view(shapes))
    assert refused(strategy) == str(error.value)
    return str(error.value)


def scoring(score, *needs):
    return base.Strategy("mine", frozenset(needs), score)


def returning(scores):
    return scoring(lambda key, view: scores)


def selecting(select, *needs):
    chosen = Selector(frozenset(needs), lambda key, view, total, ask: select(view))
    return base.Strategy("mine", frozenset(), select=chosen)


ONES = jnp.ones(NUM_ROWS)


@pytest.mark.parametrize("name", sorted(checks.RESERVED) + ["rank_critic"])
def test_a_score_that_would_overwrite_the_record(name):
    line = refused_when_built(returning({name: ONES}))
    assert f"is taken: '{name}'" in line and "choose another name" in line


@pytest.mark.parametrize("name", methods.STRATEGIES)
def test_ours_pass_from_the_shapes_of_a_learners_readout(name):
    entries = methods.METHODS.items()
    method = next(method for method, entry in entries if entry.query == name)
    made = assembly.make(tiny.network(), tiny.config(method=method))
    promised = check_learner(made.learner, worlds.IMAGE_SHAPE)
    base.check_scores(MAKERS[name](), base.abstract_view(*promised))


def test_every_column_of_a_querys_record_is_reserved():
    assert set(records._QUERIES) | {"total"} == checks.RESERVED


def test_a_name_that_is_no_string():
    assert "name of a score: 1;" in refused_when_built(returning({1: ONES}))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (ONES, "its score returns no dict: "),
        ((ONES, ONES), "its score returns no dict: 'tuple'"),
        (None, "its score returns no dict: 'NoneType'"),
        ({}, "its score returns an empty dict"),
        ({"s": ONES[:-1]}, f"score s has a wrong shape: [{NUM_ROWS - 1}]"),
        ({"s": ONES[:, None]}, f"score s has a wrong shape: [{NUM_ROWS}, 1]"),
        ({"s": jnp.float32(1)}, "score s has a wrong shape: []"),
        ({"s": [1.0] * NUM_ROWS}, "score s is no array: 'list'"),
        ({"s": ONES > 0}, "score s is not of floats: 'bool'"),
        ({"s": jnp.arange(NUM_ROWS)}, "score s is not of floats: 'int32'"),
    ],
)
def test_a_score_of_another_form(scores, expected):
    line = refused_when_built(returning(scores))
    assert expected in line and "; " in line


def test_a_score_that_reads_a_column_outside_its_needs():
    strategy = scoring(lambda key, view: {"s": view.columns["critic"]}, "logits")
    line = refused_when_built(strategy)
    assert line.endswith("outside its needs: 'critic'; add it to Strategy.needs")


def test_a_selector_that_reads_a_column_outside_its_needs():
    strategy = selecting(lambda view: view.columns["latents"], "logits")
    assert refused(strategy).endswith("'latents'; add it to Selector.needs")


def test_a_column_that_the_pool_lacks():
    strategy = scoring(lambda key, view: {"s": view.columns["critic"]}, "critic")
    line = refused(strategy, restrict(view(), ["logits"]))
    assert "the learner does not give: ['critic']; choose another --learn" in line


def test_views_pass_through_jitted_helpers():
    @jax.jit
    def helper(view):
        return view.columns["critic"] + 1

    strategy = scoring(lambda key, view: {"s": helper(view)}, "critic")
    found = base.query(jax.random.key(0), strategy, view(), ASK)
    np.testing.assert_array_equal(found.total, view().columns["critic"] + 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_finite_for_no_candidate(value):
    pool = view()
    pool.columns["critic"][pool.candidates] = value
    good = scoring(lambda key, view: {"fine": ONES}, "critic")
    base.query(jax.random.key(0), good, pool, ASK)  # what is not scored is not judged
    both = scoring(
        lambda key, view: {"fine": ONES, "broken": jnp.asarray(view.columns["critic"])},
        "critic",
    )
    assert "score broken is finite for no candidate" in refused(both, pool)


def test_a_column_that_is_finite_for_no_candidate_where_rows_are_chosen_together():
    pool = view()
    pool.columns["latents"][pool.candidates, 0] = np.nan
    strategy = selecting(lambda view: np.flatnonzero(view.candidates), "latents")
    assert "column latents is finite for no candidate" in refused(strategy, pool)


@pytest.mark.parametrize(
    ("choose", "expected"),
    [
        (lambda rows: rows[: BUDGET - 1], f"number of rows: {BUDGET - 1}; exactly"),
        (lambda rows: rows, "another number of rows: "),
        (lambda rows: np.repeat(rows[: BUDGET // 2], 2), "chooses rows twice: ["),
        (lambda rows: rows[:BUDGET] * 1.0, "chooses no rows: 'float64[6]'"),
        (lambda rows: rows[:BUDGET] >= 0, "chooses no rows: 'bool[6]'"),
        (lambda rows: rows[:BUDGET, None], "chooses no rows: 'int64[6, 1]'"),
        (lambda rows: rows[:BUDGET] - NUM_ROWS, "outside the pool: [-"),
        (lambda rows: rows[:BUDGET] + NUM_ROWS, "outside the pool: ["),
    ],
)
def test_a_selector_that_answers_something_else(choose, expected):
    strategy = selecting(lambda view: choose(np.flatnonzero(view.candidates)))
    assert expected in refused(strategy)


def test_a_selector_that_chooses_labeled_rows():
    strategy = selecting(lambda view: np.flatnonzero(view.labeled)[:BUDGET])
    labeled = np.flatnonzero(view().labeled)[:5].tolist()
    line = refused(strategy)
    assert f"rows that may not be asked: {labeled}; choose distinct rows" in line
