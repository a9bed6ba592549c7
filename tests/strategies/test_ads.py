"""The query of ADS: the reference's rows, and entropies by hand."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rounding import sums_of

from gmmal_jax.config import SelectConfig
from gmmal_jax.phases import agreement
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import ads, base
from gmmal_jax.testing import strategies as checks

REFERENCE = Path(__file__).parent.parent / "reference/ads.npz"


def test_two_uniform_heads_of_ten_classes_have_the_entropy_of_ten():
    found = agreement.mean_entropy(jnp.full((2, 1, 10), 1.3))
    np.testing.assert_allclose(found, [np.log2(10)], rtol=sums_of(10))


def test_the_reference_scores_and_chooses_alike():
    known = np.load(REFERENCE)
    found = agreement.mean_entropy(jnp.asarray(known["logits"]))
    np.testing.assert_allclose(found, known["entropy"], atol=sums_of(20) * np.log2(3))
    rows = len(found)
    pool = checks.take(checks.view(0), np.arange(rows) % checks.NUM_ROWS)
    pool = pool._replace(
        ids=np.arange(rows, dtype=np.uint32),
        columns={"mean_entropy": np.asarray(found)},
    )
    ask = Ask(len(known["chosen"]), 3, SelectConfig())
    chosen = base.query(jax.random.key(0), ads.make(), pool, ask).indices
    np.testing.assert_array_equal(chosen, known["chosen"])
