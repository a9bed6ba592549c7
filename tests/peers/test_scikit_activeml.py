"""Queries against scikit-activeml's, on what both sides define alike.

k-means from the same start is compared with scikit-learn's in
`selection/test_k_means.py`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.neighbors import NearestNeighbors

from gmmal_jax import selection
from gmmal_jax.config import ProbCoverConfig, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import (
    badge,
    base,
    coreset,
    four_ds,
    judged as terms,
    probcover,
    typiclust,
)
from gmmal_jax.types import Mixture, PoolView

peer = pytest.importorskip(
    "skactiveml.pool", reason="scikit-activeml is not installed: pip install '.[bench]'"
)
HALF_ULP = 2.0**-24
CLASSES = 4


def view(rows=300, dims=5, labeled=30, seed=0):
    """A pool of bundles without ties; labels are those of bundles."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(CLASSES, size=rows)
    centers = 1.5 * rng.normal(size=(CLASSES, dims))
    latents = np.float32(centers[truth] + rng.normal(size=(rows, dims)))
    known = np.zeros(rows, bool)
    known[rng.permutation(rows)[:labeled]] = True
    return PoolView(
        ids=np.arange(rows, dtype=np.uint32),
        labeled=known,
        candidates=~known,
        labels=np.where(known, truth, -1).astype(np.int32),
        columns={
            "latents": latents,
            "logits": np.float32(rng.normal(size=(rows, CLASSES))),
        },
    )


def asked(pool):
    """The pool as the peer takes it: rows, and labels with NaN for those not bought."""
    targets = np.where(pool.labeled, pool.labels, np.nan).astype(float)
    return pool.columns["latents"].astype(float), targets


def chosen(strategy, pool, budget, seed=0):
    ask = Ask(budget, CLASSES, SelectConfig())
    return base.query(jax.random.key(seed), strategy, pool, ask).indices


def radius(pool, picks):
    """The largest distance to the nearest center, in float64."""
    x = pool.columns["latents"].astype(float)
    centers = x[pool.labeled | np.isin(np.arange(len(x)), picks)]
    return NearestNeighbors(n_neighbors=1).fit(centers).kneighbors(x)[0].max()


class TestCoreSet:
    @pytest.mark.parametrize("seed", range(3))
    def test_picks_and_covering_radius(self, seed):
        pool = view(seed=seed)
        x, y = asked(pool)
        theirs = peer.CoreSet(random_state=0).query(x, y, batch_size=40)
        ours = chosen(coreset.make(), pool, 40)
        np.testing.assert_array_equal(ours, theirs)
        assert radius(pool, ours) == radius(pool, theirs)

    def test_ties_leave_the_radius(self):
        """On a line of equal steps the farthest rows tie; both halve the gaps."""
        pool = view(rows=64, dims=1, labeled=1)
        line = np.arange(64, dtype=np.float32)[:, None]
        pool = pool._replace(columns={"latents": line})
        pool = pool._replace(labeled=line[:, 0] == 0, candidates=line[:, 0] > 0)
        x, y = asked(pool)
        theirs = peer.CoreSet(random_state=0).query(x, y, batch_size=7)
        ours = chosen(coreset.make(), pool, 7)
        assert radius(pool, ours) == radius(pool, theirs)


def given_probabilities(probabilities):
    """A classifier that knows its answer."""
    from skactiveml.base import SkactivemlClassifier

    class Given(SkactivemlClassifier):
        def fit(self, X, y, sample_weight=None):
            return self

        def predict_proba(self, X):
            return probabilities

    return Given(classes=np.arange(probabilities.shape[1]))


class TestBadge:
    @pytest.fixture
    def theirs(self):
        pool = view(rows=60, labeled=10)
        x, y = asked(pool)
        odds = np.exp(pool.columns["logits"].astype(float))
        odds = (odds / odds.sum(axis=1, keepdims=True))[pool.candidates]
        strategy = peer.Badge(random_state=0)
        picks, utilities = strategy.query(
            x, y, clf=given_probabilities(odds), fit_clf=False, batch_size=2,
            return_utilities=True,
        )  # fmt: skip
        errors = odds - np.eye(CLASSES)[odds.argmax(axis=1)]
        gradients = errors[:, :, None] * x[pool.candidates][:, None, :]
        gradients = gradients.reshape(len(odds), -1)
        first = np.flatnonzero(pool.candidates).tolist().index(picks[0])
        return pool, picks, utilities[1][pool.candidates], gradients, first

    def test_draws_with_their_squared_distances(self, theirs):
        """The first row is theirs; 4,000 second ones come as often as they should.

        Chi-squared over rows with at least 5 expected draws, the others together; a
        right program fails once in 10,000 sets of keys.
        """
        from skactiveml.pool._badge import _d_2

        pool, picks, _, gradients, first = theirs
        draw = jax.vmap(
            lambda key: badge._draw(
                key, jnp.asarray(pool.columns["logits"]),
                jnp.asarray(pool.columns["latents"]), jnp.asarray(pool.candidates),
                jnp.asarray(pool.ids), budget=2,
            )
        )  # fmt: skip
        number = 4000
        rows = np.asarray(draw(jax.random.split(jax.random.key(0), number)))
        assert (rows[:, 0] == picks[0]).all()
        squares = _d_2(gradients, [first], np.full(len(gradients), np.inf))
        expected = number * squares / squares.sum()
        found = np.bincount(rows[:, 1], minlength=len(pool.ids))[pool.candidates]
        assert found.sum() == number and found[first] == 0
        often = expected >= 5
        expected = np.append(expected[often], expected[~often].sum())
        found = np.append(found[often], found[~often].sum())
        kept = expected > 0
        statistic = ((found - expected)[kept] ** 2 / expected[kept]).sum()
        assert statistic < chi2.ppf(1 - 1e-4, kept.sum() - 1)

    def test_theirs_also_keeps_away_from_no_gradient_at_all(self, theirs):
        """Their odds are of the smaller one of that distance and the gradient's length,
        as if the origin were a pick: neither the paper nor its code has that."""
        from skactiveml.pool._badge import _d_2

        _, _, probabilities, gradients, first = theirs
        squares = _d_2(gradients, [first], np.full(len(gradients), np.inf))
        both = np.minimum(squares, (gradients**2).sum(axis=1))
        others = np.arange(len(both)) != first
        np.testing.assert_allclose(
            probabilities[others], (both / both.sum())[others], rtol=1e-9
        )


class TestTypiClust:
    SIZES = (40, 31, 22, 17, 9)
    BOUND = 32 * HALF_ULP
    """Squares are differences of three numbers of up to 4, each rounded a few times."""

    def pool(self):
        """Directions in five bundles, no two of them close."""
        rng = np.random.default_rng(0)
        clusters = np.repeat(np.arange(len(self.SIZES)), self.SIZES)
        latents = np.eye(8)[clusters] + 0.2 * rng.normal(size=(clusters.size, 8))
        latents /= np.linalg.norm(latents, axis=1, keepdims=True)
        return np.float32(latents), clusters.astype(np.int32)

    def test_typicality_of_one_neighbour(self):
        """Theirs is of distances, ours of their squares; constants are taken off."""
        from skactiveml.pool._typi_clust import _typicality

        latents, clusters = self.pool()
        ours = selection.typicality(latents, clusters, num_clusters=5, most=1)
        squares = 1 / np.asarray(ours, float) - 1e-5
        for number in range(len(self.SIZES)):
            rows = np.flatnonzero(clusters == number)
            theirs = 1 / _typicality(latents.astype(float), rows, 1)[rows] - 1e-7
            np.testing.assert_allclose(squares[rows], theirs**2, atol=self.BOUND)

    def test_typicality_of_twenty_neighbours(self):
        """The mean of their neighbours' squared distances."""
        latents, clusters = self.pool()
        ours = selection.typicality(latents, clusters, num_clusters=5)
        for number, size in enumerate(self.SIZES):
            rows = np.flatnonzero(clusters == number)
            most = min(20, size // 2)
            near = NearestNeighbors(n_neighbors=most + 1).fit(latents[rows])
            distances, _ = near.kneighbors(latents[rows].astype(float))
            mean = (distances[:, 1:] ** 2).mean(axis=1)
            found = 1 / np.asarray(ours, float)[rows] - 1e-5
            np.testing.assert_allclose(found, mean, atol=self.BOUND)

    def test_order_of_clusters(self):
        """Those without labels, the largest first."""
        latents, clusters = self.pool()

        class Known:
            def __init__(self, n_clusters=5):
                self.n_clusters = n_clusters

            def fit_predict(self, X):
                return clusters

        targets = np.full(len(clusters), np.nan)
        targets[clusters == 0] = np.where(np.arange(40) == 3, 1.0, np.nan)
        strategy = peer.TypiClust(cluster_algo=Known, random_state=0)
        theirs = strategy.query(latents, targets, batch_size=4)
        turns = typiclust._turns(clusters, ~np.isnan(targets), 5)
        assert turns[:4].tolist() == clusters[theirs].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("seed", range(3))
def test_probcover_picks_the_same_rows_and_covers_as_many(seed):
    """Groups of distinct sizes, each about a middle that alone covers all of it."""
    rng = np.random.default_rng(seed)
    sizes = rng.permutation(np.arange(3, 43, 2))
    points, middles = [], rng.normal(size=(20, 24))
    for middle, size in zip(middles, sizes, strict=True):
        unit = middle / np.linalg.norm(middle)
        ways = rng.normal(size=(size, 24))
        ways -= (ways @ unit)[:, None] * unit
        lengths = rng.uniform(0.25, 0.29, (size, 1))
        ways *= lengths / np.linalg.norm(ways, axis=1)[:, None]
        points += [unit, *(unit + ways)]
    points = np.array(points)
    points /= np.linalg.norm(points, axis=1)[:, None]
    labeled = np.zeros(len(points), bool)
    labeled[0] = True  # the middle of a group
    labels = np.where(labeled, 0.0, np.nan)
    theirs = peer.ProbCover(deltas=[0.3], random_state=0)
    rows, utilities = theirs.query(points, labels, batch_size=15, return_utilities=True)
    for values in utilities:
        best, second = np.sort(values[~np.isnan(values)])[[-1, -2]]
        assert best > second  # no tie
    seen = PoolView(
        ids=np.arange(len(points), dtype=np.uint32),
        labeled=labeled,
        candidates=~labeled,
        labels=np.where(labeled, 0, -1).astype(np.int32),
        columns={"latents": np.float32(5 * points)},  # its own lengths do not matter
    )
    strategy = probcover.make(ProbCoverConfig(radius=0.3))
    ask = Ask(15, 2, SelectConfig())
    found = base.query(jax.random.key(seed), strategy, seen, ask).indices
    np.testing.assert_array_equal(found, rows)


class TestFourDs:
    """Utilities of every candidate before every pick, from one mixture."""

    BUDGET = 25

    @pytest.fixture
    def theirs(self):
        from skactiveml.classifier import MixtureModelClassifier
        from sklearn.mixture import GaussianMixture

        pool = view(rows=400, seed=3)
        x, y = asked(pool)
        model = GaussianMixture(6, covariance_type="diag", random_state=0).fit(x)
        clf = MixtureModelClassifier(mixture_model=model, classes=np.arange(CLASSES))
        picks, utilities = peer.FourDs(random_state=0).query(
            x, y, clf=clf, batch_size=self.BUDGET, return_utilities=True
        )
        mixture = Mixture(model.weights_, model.means_, model.covariances_)
        mixture = jax.tree.map(lambda v: jnp.asarray(v, jnp.float32), mixture)
        classified = clf.fit(x, y).predict_proba(x)
        return pool, mixture, picks, utilities, classified

    def judged(self, pool, mixture):
        labels, free = jnp.asarray(pool.labels), jnp.asarray(pool.candidates)
        latents = jnp.asarray(pool.columns["latents"])
        return terms.judge(latents, labels, free, mixture, CLASSES), free

    def bound(self, pool, mixture):
        """Log-densities in float32 err by their products' sizes; terms are their
        differences over a range that is larger than 1, and add up to a utility."""
        squares = (pool.columns["latents"] ** 2 / np.min(mixture.variances)).sum(axis=1)
        return 8 * HALF_ULP * float(squares.max())

    def test_posteriors(self, theirs):
        pool, mixture, _, _, classified = theirs
        ours, _ = self.judged(pool, mixture)
        atol = self.bound(pool, mixture)
        np.testing.assert_allclose(ours.error, 1 - classified.max(axis=1), atol=atol)

    def test_terms_and_weights(self, theirs):
        pool, mixture, picks, utilities, _ = theirs
        ours, free = self.judged(pool, mixture)
        least = jnp.min(jnp.where(free, ours.density, 1.0))
        weight = jnp.float32(min(0.05 * (self.BUDGET - 1), 0.5))
        first = terms.first_weights(ours, free)
        later = terms.later_weights(ours, free, weight)
        held, density = np.zeros(6), 0.0
        left = pool.candidates.copy()
        for i, pick in enumerate(picks):
            weights, after = (first, 1) if i == 0 else (later, self.BUDGET + 1)
            number = ours.num_labeled + after
            room = ours.weights - (ours.held + held.astype(np.float32)) / number
            gap = terms.no_gap(ours.responsibilities)
            lacks, _ = terms.lacking(ours.responsibilities, room, 1 / number, gap)
            found = terms.utility(ours, weights, least, jnp.float32(density), lacks)
            np.testing.assert_allclose(
                np.asarray(found)[left], utilities[i][left],
                atol=self.bound(pool, mixture), err_msg=f"before pick {i}",
            )  # fmt: skip
            held += np.asarray(ours.responsibilities[:, pick], float)
            density += float(ours.density[pick])
            left[pick] = False

    def test_picks(self, theirs):
        pool, mixture, picks, utilities, _ = theirs
        ours, free = self.judged(pool, mixture)
        found = jax.jit(four_ds.greedy, static_argnums=4)(
            ours, free, free, min(0.05 * (self.BUDGET - 1), 0.5), self.BUDGET
        )
        two = np.sort(np.nan_to_num(utilities, nan=-1), axis=1)[:, -2:]
        # Where the best two are closer than rounding either may come first.
        close = np.flatnonzero(two[:, 1] - two[:, 0] < 2 * self.bound(pool, mixture))
        sure = close[0] if close.size else self.BUDGET
        assert sure >= 5, "the example has ties"
        np.testing.assert_array_equal(found[:sure], picks[:sure])
