import jax
import jax.numpy as jnp
import numpy as np
from rounding import sums_of
from sklearn.cluster import KMeans

from gmmal_jax import selection

KEY = jax.random.key(0)


class TestKMeans:
    def blobs(self, m=40, d=3):
        rng = np.random.default_rng(3)
        centres = 3 * rng.normal(size=(4, d))
        noise = rng.normal(size=(m, d))
        return (centres[np.arange(m) % 4] + noise).astype(np.float32)

    def test_equals_scikit_learn_from_the_same_start(self):
        points, mask = self.blobs(), np.arange(40) < 33
        start = selection.kmeans_start(KEY, points, mask, 4, max_clusters=6)
        found = selection.lloyd(points, mask, start, 4, num_iters=20)
        reference = KMeans(4, init=np.asarray(start)[:4], n_init=1, max_iter=20, tol=0)
        reference.fit(points[mask].astype(np.float64))
        inertia = found.distances[mask].sum()
        # Squares of differences, of 33 points in three dimensions: all positive, and
        # where the centroids are off by rounding it is at their sum's minimum.
        rtol = sums_of(3 * 33)
        np.testing.assert_allclose(inertia, reference.inertia_, rtol=rtol)
        np.testing.assert_array_equal(found.assignments[mask], reference.labels_)
        error = np.abs(found.centroids[:4] - reference.cluster_centers_)
        assert error.max() <= sums_of(33) * np.abs(points).max()

    def test_kmeans_is_the_start_then_lloyd(self):
        points, mask = self.blobs(), np.arange(40) < 33
        start = selection.kmeans_start(KEY, points, mask, 4, max_clusters=6)
        expected = selection.lloyd(points, mask, start, 4)
        found = selection.kmeans(KEY, points, mask, 4, max_clusters=6)
        jax.tree.map(np.testing.assert_array_equal, found, expected)

    def test_start_draws_distinct_masked_in_points(self):
        points, mask = self.blobs(), np.arange(40) % 2 == 0
        start = selection.kmeans_start(KEY, points, mask, 6, max_clusters=6)
        same = (points[None] == np.asarray(start)[:, None]).all(axis=2)
        drawn = np.argmax(same, axis=1)
        assert same.any(axis=1).all()
        assert len(set(drawn)) == 6 and mask[drawn].all()

    def test_start_draws_by_squared_distance(self):
        # From 0 the others lie at squared distances 1 and 9; from 1 at 1 and 4; from 3
        # at 9 and 4. The pair left out follows from the first two draws.
        points = np.float32([[0], [1], [3]])
        draw = jax.vmap(
            lambda key: selection.kmeans_start(
                key, points, jnp.ones(3, bool), 2, max_clusters=2
            )
        )
        starts = np.asarray(draw(jax.random.split(KEY, 2000)))[:, :, 0]
        pairs = np.array([set(row) == {0.0, 3.0} for row in starts])
        expected = (9 / 10 + 9 / 13) / 3
        error = np.sqrt(expected * (1 - expected) / 2000)
        assert abs(pairs.mean() - expected) < 4 * error

    def test_start_draws_no_point_twice(self):
        # Distances to a drawn point itself are rounding, far from 0 as these lie.
        points = self.blobs() + np.float32(100)
        found = selection.kmeans_start(
            KEY, points, jnp.ones(40, bool), 40, max_clusters=40
        )
        assert len(np.unique(np.asarray(found), axis=0)) == 40

    def test_masked_rows_have_no_influence(self):
        points, mask = self.blobs(), np.arange(40) < 33
        other = np.where(mask[:, None], points, np.float32(np.nan))
        found = selection.kmeans(KEY, points, mask, 4, max_clusters=6)
        again = selection.kmeans(KEY, other, mask, 4, max_clusters=6)
        jax.tree.map(np.testing.assert_array_equal, found, again)
        assert np.all(np.asarray(found.assignments)[~mask] == -1)

    def test_fewer_points_than_clusters_and_none(self):
        points = self.blobs()
        for count in (2, 0):
            mask = np.arange(40) < count
            found = selection.kmeans(KEY, points, mask, 6, max_clusters=6)
            used = np.asarray(found.assignments)[mask]
            assert len(set(used)) == count
            assert np.all(np.isfinite(found.centroids))
