"""Greedy cover: against all distances in float64, and where it could go wrong."""

import jax
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from gmmal_jax.selection import greedy_cover


def between_distances(points, share):
    """A squared radius that no pair comes near, about so many of them below it."""
    squares = np.sort(np.unique(cdist(points, points, "sqeuclidean").round(9)))
    start = int(share * len(squares))
    first = start + np.argmax(np.diff(squares[start : start + 50]))
    return np.float32((squares[first] + squares[first + 1]) / 2)


def pick(points, centers, mask, square, k, seed=0, ids=None):
    points = np.asarray(points, np.float32)
    ids = np.arange(len(points), dtype=np.uint32) if ids is None else ids
    rows = greedy_cover(jax.random.key(seed), points, centers, mask, square, k, ids=ids)
    return np.asarray(rows)


def world(n, seed, dims=3, labeled=0.05):
    rng = np.random.default_rng(seed)
    centers = rng.random(n) < labeled
    points = rng.normal(size=(n, dims)).astype(np.float32)
    return points, centers, ~centers & (rng.random(n) < 0.8)


@pytest.mark.parametrize(("n", "share"), [(15, 0.1), (17, 0.2), (300, 0.02),
                                          (519, 0.005), (519, 0.3)])  # fmt: skip
def test_each_pick_covers_most_of_what_is_left(n, share):
    for seed in range(3):
        points, centers, mask = world(n, seed)
        square = between_distances(points, share)
        near = cdist(points, points, "sqeuclidean") <= square
        open_, free = ~near[centers].any(axis=0), mask.copy()
        rows = pick(points, centers, mask, square, min(60, int(mask.sum())), seed)
        for row in rows:
            gains = (near & open_[None]).sum(axis=1)
            assert free[row] and gains[row] == gains[free].max()
            open_ &= ~near[row]
            free[row] = False


@pytest.mark.parametrize("n", [2, 16, 17, 255, 257, 501])
def test_the_last_row_may_be_picked(n):
    """It alone covers two rows; public code drops what is over of its blocks."""
    points = np.arange(n)[:, None] * 10.0
    points[-1] = points[-2] + 1
    nobody = np.zeros(n, bool)
    mask = np.arange(n) != n - 2
    assert pick(points, nobody, mask, 4.0, 1)[0] == n - 1


def test_balls_of_centers_are_covered_at_first():
    points = np.float32([[0], [1], [2], [10], [11]])
    centers = np.arange(5) == 1
    assert set(pick(points, centers, ~centers, 2.0, 2)) & {3, 4}
    assert pick(points, centers, ~centers, 2.0, 1)[0] in (3, 4)


def test_rows_that_may_not_be_picked_are_to_be_covered():
    points = np.float32([[0], [1], [1.5], [10], [11]])
    mask = np.isin(np.arange(5), [0, 3])
    assert pick(points, np.zeros(5, bool), mask, 4.0, 1)[0] == 0


def test_ties_and_what_is_left_when_all_is_covered_are_random():
    points = np.zeros((12, 2), np.float32)
    nobody, everybody = np.zeros(12, bool), np.ones(12, bool)
    draws = [pick(points, nobody, everybody, 1.0, 4, seed) for seed in range(60)]
    assert all(len(set(rows)) == 4 for rows in draws)
    for places in zip(*draws, strict=True):
        assert len(set(places)) >= 10  # 12 equal rows, 60 draws of each place


def test_rows_that_are_not_finite_come_last_and_cover_nothing():
    points = np.float32([[np.nan], [np.inf], [0], [5], [9]])
    nobody, everybody = np.zeros(5, bool), np.ones(5, bool)
    rows = pick(points, nobody, everybody, 1.0, 5)
    assert set(rows[:3]) == {2, 3, 4} and set(rows[3:]) == {0, 1}


def test_permuting_the_rows_permutes_the_picks():
    points, centers, mask = world(200, 0)
    ids = np.random.default_rng(1).permutation(1000)[:200].astype(np.uint32)
    order = np.random.default_rng(2).permutation(200)
    rows = pick(points, centers, mask, 0.5, 40, ids=ids)
    moved = pick(points[order], centers[order], mask[order], 0.5, 40, ids=ids[order])
    np.testing.assert_array_equal(order[moved], rows)
