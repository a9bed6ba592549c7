import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax import selection

KEY = jax.random.key(0)
LINE = np.float32([[0], [1], [4], [7], [12]])


def ids(n):
    return np.arange(n, dtype=np.uint32) * 17 + 5


def rows(n, *which):
    return np.isin(np.arange(n), which)


def pick(points, centers, k, mask=None, key=KEY, names=None):
    n = len(points)
    mask = ~centers if mask is None else mask
    names = ids(n) if names is None else names
    found = selection.k_center_greedy(key, points, centers, mask, k, ids=names)
    chex.assert_shape(found, (k,))
    chex.assert_type(found, jnp.int32)
    assert len(set(found.tolist())) == k and mask[np.asarray(found)].all()
    return np.asarray(found)


def radius(points, centers):
    gaps = np.linalg.norm(points[:, None] - points[None, centers], axis=2)
    return gaps.min(axis=1).max()


def brute_force(points, centers, mask, k):
    """Greedy k-center by all distances, in float64."""
    points = points.astype(np.float64)
    gaps = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    covered, picks = list(np.flatnonzero(centers)), []
    for _ in range(k):
        nearest = gaps[:, covered].min(axis=1)
        best = max(np.setdiff1d(np.flatnonzero(mask), picks), key=lambda i: nearest[i])
        picks.append(best)
        covered.append(best)
    return picks


def test_known_answer():
    found = pick(LINE, rows(5, 0), 3)
    assert LINE[found, 0].tolist() == [12, 7, 4]
    radii = [radius(LINE, [0, *found[:i]]) for i in (1, 2, 3)]
    assert radii == [5, 3, 1]


@pytest.mark.parametrize("num_centers", [1, 63, 64, 65, 130])
def test_equals_a_brute_force_in_float64(num_centers):
    rng = np.random.default_rng(num_centers)
    points = rng.gamma(1.0, size=(200, 5)).astype(np.float32)
    centers = rows(200, *rng.permutation(200)[:num_centers])
    mask = ~centers & (rng.random(200) < 0.8)
    expected = brute_force(points, centers, mask, 20)
    np.testing.assert_array_equal(pick(points, centers, 20, mask), expected)


def test_distances_far_from_the_origin_are_exact_enough():
    points = np.random.default_rng(5).normal(size=(60, 3)).astype(np.float32)
    found = pick(points + np.float32(500), rows(60, 7), 20)
    np.testing.assert_array_equal(
        found, brute_force(points, rows(60, 7), ~rows(60, 7), 20)
    )


def test_radius_is_at_most_twice_the_smallest():
    for seed in range(5):
        points = np.random.default_rng(seed).normal(size=(8, 2)).astype(np.float32)
        found = pick(points, np.zeros(8, bool), 3)
        sets = itertools.combinations(range(8), 3)
        smallest = min(radius(points, list(chosen)) for chosen in sets)
        assert radius(points, found) <= 2 * smallest


def test_without_centers_the_first_pick_is_random_and_the_next_is_farthest():
    firsts = set()
    for key in jax.random.split(KEY, 20):
        first, second = pick(LINE, np.zeros(5, bool), 2, key=key)
        firsts.add(first)
        far = np.abs(LINE - LINE[first])[:, 0]
        assert far[second] == far.max()
    assert len(firsts) > 2


def test_rows_that_all_lie_on_centers_are_filled_up_without_repetition():
    points = np.repeat(np.float32([[100, 3], [100, 4]]), 5, axis=0)
    first = {tuple(pick(points, rows(10, 0, 9), 8, key=k)) for k in [KEY, *_keys(3)]}
    assert len(first) > 1  # at random, not by place


def _keys(n):
    return jax.random.split(jax.random.key(1), n)


def test_rows_that_are_not_finite_come_last_and_cover_nothing():
    points = np.concatenate([LINE, np.float32([[np.nan], [np.inf], [np.nan]])])
    found = pick(points, rows(8, 0, 5), 6)
    assert points[found[:4], 0].tolist() == [12, 7, 4, 1]
    assert set(found[4:]) == {6, 7}


def test_permuting_rows_permutes_the_picks():
    rng = np.random.default_rng(2)
    points = np.repeat(rng.gamma(1.0, size=(30, 4)), 2, axis=0).astype(np.float32)
    centers, order = rng.random(60) < 0.2, rng.permutation(60)
    found = pick(points, centers, 25)
    moved = pick(points[order], centers[order], 25, names=ids(60)[order])
    np.testing.assert_array_equal(order[moved], found)


def test_one_compilation_while_the_centers_grow():
    counted = chex.assert_max_traces(selection.k_center_greedy.__wrapped__, n=1)
    jitted = jax.jit(counted, static_argnames="k")
    points = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    for num_centers in (0, 1, 64, 150):
        centers = np.arange(200) < num_centers
        jitted(KEY, points, centers, ~centers, 5, ids=ids(200))
