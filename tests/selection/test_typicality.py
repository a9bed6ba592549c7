import jax
import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax import selection


def test_known_answer():
    """Two neighbours each: 0.1 has both at 0.1; 0 has them at 0.1 and 0.2."""
    points = np.float32([[0], [0.1], [0.2], [5]])
    found = selection.typicality(points, np.zeros(4, np.int32), num_clusters=1)
    gaps = np.array([0.025, 0.01, 0.025, (4.8**2 + 4.9**2) / 2])
    np.testing.assert_allclose(found, 1 / (gaps + 1e-5), rtol=1e-3)
    assert np.argmax(found) == 1


@pytest.mark.parametrize("num_rows", [40, 255, 256, 257, 700])
def test_equals_a_brute_force_in_float64(num_rows):
    rng = np.random.default_rng(num_rows)
    points = rng.normal(size=(num_rows, 6)).astype(np.float32)
    clusters = rng.choice([-1, 0, 1, 2, 4], num_rows, p=[0.2, 0.5, 0.2, 0.09, 0.01])
    found = selection.typicality(points, clusters.astype(np.int32), num_clusters=5)
    squares = ((points[:, None].astype(np.float64) - points[None]) ** 2).sum(2)
    for row, cluster in enumerate(clusters):
        if cluster < 0:
            assert found[row] == -np.inf
            continue
        others = (clusters == cluster) & (np.arange(num_rows) != row)
        wanted = max(1, min(20, (others.sum() + 1) // 2))
        near = np.sort(squares[row, others])[:wanted]
        mean = near.mean() if len(near) else 0.0
        # A gap is what is left of both squares.
        error = sums_of(6) * 2 * (points.astype(np.float64) ** 2).sum(1).max()
        assert abs(1 / found[row] - 1e-5 - mean) <= error + sums_of(20) * mean


def test_one_compilation_while_rows_leave():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    clusters = np.arange(50, dtype=np.int32) % 4
    selection.typicality(points, clusters, num_clusters=4)
    clusters[:20] = -1
    with jax.no_tracing():
        selection.typicality(points, clusters, num_clusters=4)
