"""Temporal output discrepancy by hand and by the reference; the first query."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax.config import SelectConfig, TodConfig
from gmmal_jax.phases import temporal
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, tod
from gmmal_jax.testing import strategies as checks

REFERENCE = Path(__file__).parent.parent / "reference/tod.npz"


def ask(discrepancy, compared, budget=3, first_cycle="random", seed=0):
    rows = len(discrepancy)
    pool = checks.take(checks.view(0), np.arange(rows) % checks.NUM_ROWS)
    columns = {
        "discrepancy": np.float32(discrepancy),
        "compared": np.full(rows, compared, np.float32),
    }
    pool = pool._replace(ids=np.arange(rows, dtype=np.uint32), columns=columns)
    strategy = tod.make(TodConfig(first_cycle=first_cycle))
    wanted = Ask(budget, 3, SelectConfig())
    return base.query(jax.random.key(seed), strategy, pool, wanted).indices.tolist()


def test_the_discrepancy_by_hand():
    sure = jnp.asarray([[50.0, 0.0], [50.0, 0.0], [0.0, 0.0]])
    before = jnp.asarray([[0.0, 50.0], [50.0, 0.0], [50.0, 0.0]])
    np.testing.assert_allclose(temporal.discrepancy(sure, before), [1, 0, 0.25])


def test_the_reference_scores_and_chooses_alike():
    known = np.load(REFERENCE)
    found = temporal.discrepancy(*map(jnp.asarray, (known["now"], known["before"])))
    np.testing.assert_allclose(found, known["discrepancy"], atol=sums_of(10))
    assert ask(found, 1.0, len(known["chosen"])) == known["chosen"].tolist()


@pytest.mark.parametrize("first_cycle", ["random", "smallest", "largest"])
def test_from_the_second_query_on_the_largest_is_asked(first_cycle):
    assert ask([0.1, 0.5, 0.2, 0.9], 1.0, 3, first_cycle) == [3, 1, 2]


@pytest.mark.parametrize("first_cycle", ["random", "smallest", "largest"])
def test_every_first_cycle_keeps_the_contract(first_cycle):
    columns = {"compared": np.zeros(checks.NUM_ROWS, np.float32)}
    settings = TodConfig(first_cycle=first_cycle)
    checks.check_strategy(lambda: tod.make(settings), columns)


def test_the_first_query_is_as_asked_for():
    values = [0.1, 0.5, 0.2, 0.9]
    assert ask(values, 0.0, 3, "smallest") == [0, 2, 1]
    assert ask(values, 0.0, 3, "largest") == [3, 1, 2]
    drawn = {tuple(ask(values, 0.0, 3, seed=seed)) for seed in range(6)}
    assert len(drawn) > 2
