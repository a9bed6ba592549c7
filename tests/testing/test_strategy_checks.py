"""The checks for strangers' strategies find what they are there for."""

import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax import testing
from gmmal_jax.errors import UserError
from gmmal_jax.selection import Selector
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.testing import strategies as checks

RANDOM = np.random.default_rng(0)


def scoring(score):
    return lambda: Strategy("mine", frozenset({"critic"}), score)


def choosing(select):
    """A strategy whose selector chooses the first of the rows that this gives."""

    def first(key, view, total, ask):
        return select(view)[: ask.budget]

    selector = Selector(frozenset({"latents"}), first)
    return lambda: Strategy("mine", frozenset(), select=selector)


def critic(view):
    return jnp.asarray(view.columns["critic"])


def by_id(view):
    rows = np.flatnonzero(view.candidates)
    return rows[np.argsort(view.ids[rows])]


def write(view):
    view.columns["latents"][0] = 0
    return by_id(view)


def eager(view):
    jnp.sum(jnp.asarray(view.columns["latents"][view.labeled]))
    return by_id(view)


def first_row_first(view):
    """The first pick of much public k-center code, where it has no center."""
    if view.labeled.any():
        return by_id(view)
    return np.append(0, np.setdiff1d(by_id(view), [0]))


def by_labels(key, view):
    """Of a class without labels, the logarithm of 0."""
    known = view.labels[:, None] == jnp.arange(checks.NUM_CLASSES)[None]
    return {"s": critic(view) * jnp.log(known.sum(axis=0)).sum()}


def different(view):
    rows = by_id(view)
    latents = view.columns["latents"][rows]
    return rows[np.sort(np.unique(latents, axis=0, return_index=True)[1])]


def whole_blocks(view):
    """As public code of ProbCover, whose graph lacks what is over of its blocks."""
    rows = by_id(view)
    return rows[rows < len(view.ids) // 7 * 7]


BROKEN = {
    checks.chooses_distinct_candidates: choosing(lambda view: by_id(view)[[0] * 9]),
    checks.scores_all_rows: scoring(lambda k, v: {"s": jnp.log(critic(v) - 0.5)}),
    checks.keeps_to_the_candidates: choosing(lambda v: np.flatnonzero(~v.labeled)),
    checks.asks_for_all_that_is_left: choosing(lambda view: by_id(view)[1:]),
    checks.asks_without_labels: choosing(first_row_first),
    checks.asks_where_classes_have_no_labels: scoring(by_labels),
    checks.asks_equal_rows_once: choosing(different),
    checks.chooses_from_the_end: choosing(whole_blocks),
    checks.repeats_itself: choosing(lambda view: RANDOM.permutation(by_id(view))),
    checks.sees_no_hidden_label: scoring(lambda k, v: {"s": v.labels + critic(v)}),
    checks.reads_what_it_needs_only: scoring(lambda k, v: {"s": v.columns["logits"]}),
    checks.leaves_the_pool_as_it_is: choosing(write),
    checks.scores_each_row_alone: scoring(lambda k, v: {"s": critic(v) - critic(v)[0]}),
    checks.follows_its_rows: scoring(lambda k, v: {"s": 1.0 * jnp.arange(len(v.ids))}),
    checks.compiles_once: choosing(eager),
}


@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
def test_a_strategy_that_breaks_it_is_found(check):
    with pytest.raises((AssertionError, UserError, RuntimeError)):
        check(BROKEN[check])


@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
@pytest.mark.parametrize(
    "make", [scoring(lambda k, v: {"s": critic(v)}), choosing(by_id)]
)
def test_a_good_strategy_passes(check, make):
    check(make)


@pytest.mark.parametrize("check", testing.STRATEGY_CHECKS)
def test_each_check_says_what_it_checks(check):
    assert check.__doc__.endswith(".") and "\n" not in check.__doc__


def test_all_at_once_says_which_part_is_broken():
    with pytest.raises(UserError) as error:
        testing.check_strategy(scoring(lambda k, v: {"label": critic(v)}))
    expected = "chooses_distinct_candidates: A query is exactly"
    assert any(note.startswith(expected) for note in error.value.__notes__)


def test_strangers_bring_their_own_columns():
    def make():
        score = lambda k, v: {"gain": jnp.asarray(v.columns["expected_gain"])}  # noqa: E731
        return Strategy("gain", frozenset({"expected_gain"}), score)

    gains = np.random.default_rng(0).normal(size=checks.NUM_ROWS).astype(np.float32)
    testing.check_strategy(make, {"expected_gain": gains})
    with pytest.raises(AssertionError, match="expected_gain.*; hand them over"):
        checks.reads_what_it_needs_only(make)
