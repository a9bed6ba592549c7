"""WAAL's query: its uncertainty by hand, and a selection against float64."""

from pathlib import Path

import jax
import numpy as np

from gmmal_jax.config import SelectConfig, WaalConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, waal
from gmmal_jax.testing.strategies import view

REFERENCE = np.load(Path(__file__).parent.parent / "reference" / "waal.npz")


def test_sureness_by_hand():
    """(0.5, 0.5): ln 2 (2 + sqrt(2)) / 2; the least that two classes can have."""
    logits = np.log(np.float32([[0.5, 0.5], [0.9, 0.1]]))
    found = waal.sureness(logits)
    np.testing.assert_allclose(found, [1.183276, 2.356470], rtol=1e-6)


def test_log_probabilities_have_a_floor():
    found = waal.sureness(np.float32([[0, -3e38], [0, -60], [0, -np.inf]]))
    np.testing.assert_array_equal(found, [50, 50, 50])


def pool_of(logits, critic):
    rows = len(logits)
    pool = view()
    return pool._replace(
        ids=np.arange(rows, dtype=np.uint32),
        labeled=np.zeros(rows, bool),
        candidates=np.ones(rows, bool),
        labels=np.full(rows, -1, np.int32),
        columns={"logits": np.float32(logits), "critic": np.float32(critic)},
    )


def ask(pool, budget, **changes):
    strategy = waal.make(WaalConfig(**changes))
    return base.query(jax.random.key(0), strategy, pool, Ask(budget, 4, SelectConfig()))


def test_a_selection_as_in_float64():
    found = ask(pool_of(REFERENCE["logits"], REFERENCE["looks_unlabeled"]), 5)
    np.testing.assert_array_equal(found.indices, REFERENCE["chosen"])
    np.testing.assert_allclose(found.total, -REFERENCE["score"], rtol=1e-5, atol=1e-4)


def test_uncertain_rows_and_unlabeled_ones_come_first():
    """The weight says which of two: the second is surer, and looks more unlabeled."""
    logits = np.log([[0.5, 0.5], [0.9, 0.1]])
    gap = 2.356470 - 1.183276
    for weight, first in ((0.9 * gap / 0.5, 0), (1.1 * gap / 0.5, 1)):
        pool = pool_of(logits, [0.2, 0.7])
        assert ask(pool, 1, selection_weight=weight).indices[0] == first
