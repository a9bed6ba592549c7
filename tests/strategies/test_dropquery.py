"""DropQuery: rows that hang on one latent, and rows that do not."""

import jax
import numpy as np
import pytest
from test_badge import view

from gmmal_jax.config import DropQueryConfig, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, dropquery

MASKS = 200
"""So many that the share of masks that change a class is its probability."""
GROUPS = np.float32([[0, 9], [9, 0], [9, 9]])
OFFSETS = np.float32([[0, 0], [0.3, 0], [-0.3, 0.1], [0, -0.2]])


def pool_of(fragile, places):
    """A row's first latent decides its class, where it has it; the others are idle."""
    fragile = np.asarray(fragile)
    latents = np.column_stack([fragile, places])
    kernel, bias = np.float32([[2, -2], [0, 0], [0, 0]]), np.float32([-1, 1])
    logits = latents @ kernel + bias
    return view(logits, latents)._replace(head=(kernel, bias))


def chosen(pool, budget, seed=0, dropout=0.75):
    strategy = dropquery.make(DropQueryConfig(masks=MASKS, dropout=dropout))
    ask = Ask(budget, 2, SelectConfig())
    return base.query(jax.random.key(seed), strategy, pool, ask).indices


def grouped():
    """Three groups of four fragile rows, among eight that no mask changes."""
    places = (GROUPS[:, None] + OFFSETS[None]).reshape(-1, 2)
    others = np.random.default_rng(0).normal(size=(8, 2)) * 20
    return pool_of([1] * 12 + [0] * 8, np.concatenate([places, others]))


@pytest.mark.parametrize("seed", range(3))
def test_one_row_of_each_cluster_the_nearest_to_its_centroid(seed):
    """The groups' means lie 0.025 below and 0 beside their first rows."""
    assert sorted(chosen(grouped(), 3, seed)) == [0, 4, 8]


def test_where_too_few_change_all_of_these_and_others_at_random():
    draws = [chosen(grouped(), 15, seed) for seed in range(30)]
    for rows in draws:
        assert len(set(rows)) == 15 and set(range(12)) < set(rows)
    assert set(np.concatenate(draws)) == set(range(20))


def test_less_than_half_of_the_masks_is_not_enough():
    """Each mask changes a fragile row with probability 0.4: no row is eligible."""
    draws = [chosen(grouped(), 3, seed, dropout=0.4) for seed in range(40)]
    share = np.mean(np.concatenate(draws) < 12)
    assert abs(share - 0.6) < 4 * np.sqrt(0.6 * 0.4 / 120)


def test_rows_that_coincide_are_chosen_once():
    rows = chosen(pool_of([1] * 8 + [0] * 12, np.ones((20, 2))), 3)
    assert len(set(rows)) == 3 and max(rows) < 8
