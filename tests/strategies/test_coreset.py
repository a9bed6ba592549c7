import jax
import numpy as np
import pytest

from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, coreset
from gmmal_jax.testing.strategies import NUM_CLASSES, view


def query(pool, budget, **select):
    ask = Ask(budget, NUM_CLASSES, SelectConfig(**select))
    return base.query(jax.random.key(0), coreset.make(), pool, ask)


def five_rows():
    """The latents 0, 1, 4, 7, 12 of one dimension; the first row is labeled."""
    labeled = np.arange(5) == 0
    return view()._replace(
        ids=np.arange(5, dtype=np.uint32),
        labeled=labeled,
        candidates=~labeled,
        labels=np.where(labeled, 1, -1).astype(np.int32),
        columns={"latents": np.float32([[0], [1], [4], [7], [12]])},
    )


def test_known_answer():
    found = query(five_rows(), 3)
    np.testing.assert_array_equal(found.indices, [4, 3, 2])
    assert found.scores == {} and not found.total.any()


def test_unlabeled_rows_that_may_not_be_asked_cover_nothing():
    pool = five_rows()
    pool = pool._replace(candidates=pool.candidates & (np.arange(5) != 4))
    np.testing.assert_array_equal(query(pool, 2).indices, [3, 2])


def test_distances_are_of_raw_latents():
    pool = five_rows()
    scaled = np.float32([[1, 0], [9, 0], [0, 1], [1, 1], [5, 0]])
    found = query(pool._replace(columns={"latents": scaled}), 1)
    np.testing.assert_array_equal(found.indices, [1])  # same direction, far away


def test_it_reads_latents_and_takes_no_construction():
    assert base.columns_needed(coreset.make(), SelectConfig()) == {"latents"}
    with pytest.raises(UserError, match="coreset scores no rows and chooses them"):
        query(five_rows(), 2, diversity="kmeans")
