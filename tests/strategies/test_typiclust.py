"""TypiClust: cases checked by hand, and its order of clusters."""

import jax
import numpy as np
from test_badge import view

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, typiclust

# Directions: three groups of 12, 9 and 4, spread by angles; the middle is typical.
SIZES = (12, 9, 4)
STEPS = 0.01 * np.array([0, 1, -1, 4, -4, 7, -7, 10, -10, 13, -13, 16])
ANGLES = np.concatenate([group + STEPS[:size] for group, size in enumerate(SIZES)])
GROUPS = np.repeat(np.arange(3), SIZES)
LATENTS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1) * 7


def chosen(budget, labeled=(), seed=0):
    rows = np.isin(np.arange(len(LATENTS)), labeled)
    pool = view(np.zeros((len(LATENTS), 2)), LATENTS, ~rows)._replace(labeled=rows)
    ask = Ask(budget, 2, SelectConfig())
    return base.query(jax.random.key(seed), typiclust.make(), pool, ask).indices


def test_the_largest_cluster_comes_first_then_the_next():
    """Three labels, three clusters; the smallest one has no more than five rows."""
    for seed in range(3):
        rows = chosen(3, seed=seed)
        assert GROUPS[rows].tolist()[:2] == [0, 1]
        assert rows[0] == 0 and rows[1] == 12  # the middle of each
        assert GROUPS[rows[2]] == 0  # in turn again, as the third is passed over


def test_clusters_without_labels_come_first():
    rows = chosen(2, labeled=[3])
    assert GROUPS[rows].tolist() == [1, 0]
    assert set(rows).isdisjoint([3])


def test_typical_is_judged_among_what_is_left():
    """With the middle labeled, the densest rows left are further out."""
    rows = chosen(2, labeled=[0, 12])
    assert set(rows).isdisjoint([0, 12]) and len(set(rows)) == 2


def test_small_clusters_serve_where_there_are_no_others():
    rows = chosen(25)
    assert sorted(rows) == list(range(25))
