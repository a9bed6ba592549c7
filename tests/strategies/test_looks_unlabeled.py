"""The queries of VAAL and TA-VAAL: 1 means labeled, so the smallest are bought."""

import jax
import numpy as np
import pytest

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, looks_unlabeled
from gmmal_jax.testing.strategies import view


@pytest.mark.parametrize("make", [looks_unlabeled.vaal, looks_unlabeled.ta_vaal])
def test_the_smallest_probability_of_a_label_is_bought_first(make):
    """Of a discriminator's 0.9, 0.2 and 0.5: the second, the third, the first."""
    pool, strategy = view(), make()
    asked = np.flatnonzero(pool.candidates)[-3:]  # the last rows of the pool
    probability = np.full(len(pool.ids), 0.99)
    probability[asked] = (0.9, 0.2, 0.5)
    logits = np.log(probability / (1 - probability)).astype(np.float32)
    pool = pool._replace(columns={name: -logits for name in strategy.needs})
    ask = Ask(3, 3, SelectConfig())
    found = base.query(jax.random.key(0), strategy, pool, ask).indices
    assert found.tolist() == asked[[1, 2, 0]].tolist()
