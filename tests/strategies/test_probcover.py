"""ProbCover: cases worked out by hand, and the radius that it chooses."""

import jax
import numpy as np
from scipy.spatial import cKDTree
from test_badge import view

from gmmal_jax.config import ProbCoverConfig, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, probcover
from gmmal_jax.strategies.probcover import pure_square

ANGLES = np.radians([0, 10, 20, 90, 98, 180, 250, 262, 274, 286])
"""Within 15 degrees lie 2, 3, 2 rows at 0, 10, 20; 2, 2; 1; 2, 3, 3, 2 at 250 on."""


def on_circle(angles, length=7.0):
    return length * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def chord(degrees):
    return float(2 * np.sin(np.radians(degrees) / 2))


BALL = chord(15)


def chosen(budget, labeled=(), seed=0, radius=BALL):
    rows = np.isin(np.arange(len(ANGLES)), labeled)
    lengths = 1 + np.arange(len(ANGLES))[:, None]
    pool = view(np.zeros((len(ANGLES), 2)), on_circle(ANGLES) * lengths, ~rows)
    strategy = probcover.make(ProbCoverConfig(radius=radius))
    ask = Ask(budget, 2, SelectConfig())
    pool = pool._replace(labeled=rows)
    return base.query(jax.random.key(seed), strategy, pool, ask).indices


def test_known_answer():
    """Balls of directions, whatever the lengths: threes, twos, then single rows."""
    for seed in range(4):
        rows = chosen(5, seed=seed)
        assert rows[0] in (1, 7, 8)
        assert 1 in rows[:2] and {7, 8} & set(rows[:2])
        # Of 250, 262, 274, 286 a ball of three leaves one at an end.
        assert rows[2] in (3, 4)
        end = 9 if 7 in rows[:2] else 6
        assert set(rows[3:]) <= {5, end, 8 if end == 9 else 7}


def test_labeled_rows_have_covered_theirs():
    rows = chosen(1, labeled=[0, 7])  # 0 and 10 degrees, 250 to 274 are covered
    assert rows[0] in (3, 4)


def test_a_large_ball_covers_all_and_the_rest_is_random():
    firsts = {chosen(3, seed=seed, radius=2.0)[1] for seed in range(40)}
    assert len(firsts) >= 8


def rings(n, seed):
    """Directions about two poles, spread so that the groups nearly meet."""
    rng = np.random.default_rng(seed)
    angles = np.repeat([0, np.pi / 2], n // 2) + rng.uniform(-0.7, 0.7, n)
    return on_circle(angles, 1.0).astype(np.float32), np.repeat([0, 1], n // 2)


def to_the_other(points, groups):
    """Squared distances to the nearest row of the other group."""
    parts = [points[groups == group].astype(np.float64) for group in (0, 1)]
    found = [cKDTree(parts[1 - i]).query(parts[i])[0] for i in (0, 1)]
    return np.concatenate(found) ** 2


def test_the_radius_is_the_largest_at_which_enough_balls_are_pure():
    points, groups = rings(200, 0)
    ids = np.arange(200, dtype=np.uint32)
    square = np.float64(pure_square(jax.random.key(0), points, ids, num_classes=2))
    nearest = to_the_other(points, groups)
    # float32 products err by some units of 6e-8 about 1.
    assert (nearest > square - 1e-6).mean() >= 0.95
    assert (nearest > square + 1e-6).mean() < 0.95


def test_a_sample_of_a_large_pool_serves_for_the_radius():
    points, groups = rings(6000, 1)
    ids = np.arange(6000, dtype=np.uint32)
    square = np.float64(pure_square(jax.random.key(0), points, ids, num_classes=2))
    share = (to_the_other(points, groups) <= square).mean()
    assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 2048)


def test_one_cluster_is_pure_at_any_radius():
    points, _ = rings(50, 2)
    ids = np.arange(50, dtype=np.uint32)
    square = pure_square(jax.random.key(0), points, ids, num_classes=1)
    assert 3.9 < float(square) < 4.0
