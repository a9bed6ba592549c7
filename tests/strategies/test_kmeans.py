"""k-means: cases checked by hand, and scikit-learn's clusters."""

import jax
import numpy as np
from sklearn.cluster import KMeans
from test_badge import view

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, kmeans


def chosen(latents, budget, seed=0, candidates=None):
    pool = view(np.zeros((len(latents), 2)), latents, candidates)
    ask = Ask(budget, 2, SelectConfig())
    return base.query(jax.random.key(seed), kmeans.make(), pool, ask).indices


def test_known_answer():
    """Well separated triples: the middle row of each, and candidates only."""
    offsets = np.array([-0.5, 0.0, 0.6])
    latents = (1000 + 50 * np.arange(70)[:, None] + offsets[None]).reshape(-1, 1)
    rows = chosen(latents, 70)
    assert sorted(rows) == list(range(1, 210, 3))
    candidates = np.arange(210) % 3 != 1
    rows = chosen(latents, 70, candidates=candidates)
    assert sorted(row // 3 for row in rows) == list(range(70))
    assert candidates[rows].all()


def test_rows_are_nearest_to_centroids_no_worse_than_scikit_learns():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(400, 3)).astype(np.float32)
    rows = chosen(latents, 20)
    assert len(set(rows)) == 20

    def spread(points):
        gaps = ((latents[:, None] - points[None]) ** 2).sum(2)
        return gaps.min(1).mean()

    peer = KMeans(20, n_init=1, random_state=0).fit(latents).cluster_centers_
    # The rows nearest to centroids, against centroids: what a medoid costs here.
    assert spread(latents[rows]) < 1.6 * spread(peer)


def test_fewer_different_rows_than_labels_are_filled_up():
    latents = np.repeat(np.arange(5.0), 40)[:, None]
    candidates = np.arange(200) % 4 > 0
    rows = chosen(latents, 100, candidates=candidates)
    assert len(set(rows)) == 100 and candidates[rows].all()
    assert set(latents[rows[:5], 0]) <= set(range(5))
