"""A committee's scores by hand and by the reference, and how its ties are broken."""

from pathlib import Path

import jax
import numpy as np
import pytest
from rounding import HALF_ULP

from gmmal_jax.config import SelectConfig, SnapshotConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, scores, snapshot
from gmmal_jax.testing import strategies as checks
from gmmal_jax.testing.strategies import take, view

REFERENCE = Path(__file__).parent.parent / "reference/snapshot.npz"
SCORES = ["variation_ratio", "entropy", "bald", "margin"]


def pool_of(logits):
    """An unlabeled pool whose committee's logits these are."""
    rows = len(logits)
    pool = take(view(), np.arange(rows) % checks.NUM_ROWS)
    return pool._replace(
        ids=np.arange(rows, dtype=np.uint32),
        labeled=np.zeros(rows, bool),
        candidates=np.ones(rows, bool),
        labels=np.full(rows, -1, np.int32),
        columns={"member_logits": np.float32(logits)},
    )


def ask(logits, budget, seed=0, **options):
    strategy = snapshot.make(SnapshotConfig(**options))
    wanted = Ask(budget, np.shape(logits)[2], SelectConfig())
    return base.query(jax.random.key(seed), strategy, pool_of(logits), wanted)


def votes(*classes, sure=8.0):
    """Logits [m, 3] of members that vote for these classes."""
    return sure * np.eye(3)[list(classes)]


def test_votes_by_hand():
    logits = np.float32([votes(0, 0, 1, 2, 0), votes(1, 1, 1, 1, 1)])
    np.testing.assert_allclose(scores.variation_ratio(logits), [0.4, 0], atol=1e-7)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_keeps_the_contract(score):
    checks.check_strategy(lambda: snapshot.make(SnapshotConfig(score=score)))


@pytest.mark.parametrize("score", SCORES)
def test_the_reference_scores_alike(score):
    known = np.load(REFERENCE)
    found = ask(known["logits"], 12, score=score).scores[score]
    if score == "variation_ratio":
        found = np.floor(found * 5 + 1e-6) / 5  # without what breaks its ties
    # Sums of 20 terms below ln 4 each, and the exponentials' own rounding.
    np.testing.assert_allclose(found, known[score], atol=40 * HALF_ULP)


def test_the_reference_chooses_the_same_rows():
    known = np.load(REFERENCE)
    np.testing.assert_array_equal(ask(known["logits"], 12).indices, known["chosen"])


def test_ties_of_votes_go_by_entropy_and_never_beyond_a_vote():
    calm, unsure = votes(0, 0, 0, 0, 0), votes(0, 0, 0, 0, 0, sure=1e-3)
    torn = votes(1, 0, 0, 0, 0, sure=30.0)
    assert ask([calm, torn, unsure], 3).indices.tolist() == [1, 2, 0]


def test_equal_rows_are_drawn_at_random():
    logits = np.stack([votes(0, 1, 0, 0, 0)] * 12)
    queries = {tuple(ask(logits, 4, seed=seed).indices) for seed in range(4)}
    assert len(queries) == 4


def test_a_member_that_broke_down_is_asked_last():
    broken = votes(0, 1, 2, 0, 1)
    broken[1, 1] = np.nan
    assert ask([broken, votes(0, 0, 0, 0, 0)], 2).indices.tolist() == [1, 0]
