"""BALD: committees whose disagreement is known."""

import jax
import numpy as np
from scipy.special import xlogy
from scipy.stats import binom
from test_badge import view

from gmmal_jax.config import BaldConfig
from gmmal_jax.strategies import bald, base

ENTROPIES = -np.array([xlogy(p, p) + xlogy(1 - p, 1 - p) for p in np.arange(11) / 10])
"""Of ten members, so many for one class and the others for the other."""


def scores_of(num_rows, dropout, samples=10, latent=1.0):
    """One latent, which is all there is for class 0: without it, class 1 is certain."""
    pool = view(np.zeros((num_rows, 2)), np.full((num_rows, 1), latent))
    pool = pool._replace(head=(np.float32([[200, -200]]), np.float32([-50, 50])))
    strategy = bald.make(BaldConfig(samples=samples, dropout=dropout))
    scores, _, _ = base.score_pool(jax.random.key(0), strategy, pool)
    return scores["mutual_information"]


def test_known_answer():
    """Each member is certain, for class 0 with probability 1/2, whatever the row."""
    found = scores_of(2000, 0.5)
    # Sums of ten ones and the logarithm: a few units in the last place.
    assert np.abs(found[:, None] - ENTROPIES[None]).min(axis=1).max() < 1e-6
    odds = binom.pmf(np.arange(11), 10, 0.5)
    mean = odds @ ENTROPIES
    spread = np.sqrt(odds @ ENTROPIES**2 - mean**2)
    assert abs(found.mean() - mean) < 4 * spread / np.sqrt(2000)


def test_the_rate_is_the_share_that_is_lost():
    found = scores_of(2000, 0.9)
    odds = binom.pmf(np.arange(11), 10, 0.9)
    mean = odds @ ENTROPIES
    spread = np.sqrt(odds @ ENTROPIES**2 - mean**2)
    assert abs(found.mean() - mean) < 4 * spread / np.sqrt(2000)


def test_members_that_agree_tell_nothing():
    for found in (scores_of(5, 0.0), scores_of(5, 0.5, 1), scores_of(5, 0.5, 10, 0.0)):
        assert (found >= 0).all() and found.max() < 1e-6
