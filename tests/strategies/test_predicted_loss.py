import jax
import numpy as np

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, predicted_loss
from gmmal_jax.testing.strategies import view


def test_the_largest_predictions_are_asked_first():
    pool = view()
    column = pool.columns["predicted_loss"]
    ask = Ask(3, 3, SelectConfig())
    found = base.query(jax.random.key(0), predicted_loss.make(), pool, ask)
    rows = np.flatnonzero(pool.candidates)
    np.testing.assert_array_equal(found.indices, rows[np.argsort(-column[rows])][:3])
