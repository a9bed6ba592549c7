"""scikit-learn's own checks, and agreement with its mixture."""

import numpy as np
import pytest
from mixture_cases import features, random_start, relative
from sklearn import mixture as peers
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from gmmal_jax import GaussianMixture

N, D, K = 300, 6, 3


@pytest.mark.filterwarnings("ignore")  # most checks fit data without structure
@parametrize_with_checks([GaussianMixture(max_iter=30)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("covariance", ["diag", "spherical"])
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_scikit_learn(covariance):
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    precisions = 1 / np.asarray(start.variances, np.float64)
    if covariance == "spherical":
        precisions = precisions.mean(1)
    given = {
        "covariance_type": covariance,
        "weights_init": np.full(K, 1 / K),
        "means_init": np.asarray(start.means, np.float64),
        "precisions_init": precisions,
        "max_iter": 8,
        "tol": 0.0,
    }
    ours = GaussianMixture(K, variance_floor=1e-12, **given).fit(latents)
    peer = peers.GaussianMixture(K, reg_covar=1e-12, **given).fit(np.float64(latents))
    assert ours.covariances_.shape == peer.covariances_.shape
    assert ours.n_iter_ == peer.n_iter_ == 8 and not ours.converged_
    for name in ("weights_", "means_", "covariances_", "lower_bound_"):
        assert relative(getattr(ours, name), getattr(peer, name)) < 1e-3, name
    for method in ("score_samples", "predict_proba"):
        theirs = getattr(peer, method)(np.float64(latents))
        np.testing.assert_allclose(getattr(ours, method)(latents), theirs, atol=1e-3)
    for method in ("bic", "aic", "score"):
        theirs = getattr(peer, method)(np.float64(latents))
        assert relative(getattr(ours, method)(latents), theirs) < 1e-4
    np.testing.assert_array_equal(ours.predict(latents), peer.predict(latents))


def blobs():
    rng = np.random.default_rng(0)
    labels = np.arange(N) % K
    return 20.0 * np.eye(K, D)[labels] + rng.normal(size=(N, D)), labels


def test_finds_blobs_and_samples_from_them():
    latents, labels = blobs()
    model = GaussianMixture(K, n_init=3, random_state=0)
    found = model.fit_predict(latents)
    assert model.converged_ and model.n_iter_ < 100
    assert len({(a, b) for a, b in zip(found, labels, strict=True)}) == K
    rows, components = model.sample(500)
    assert rows.shape == (500, D)
    np.testing.assert_array_equal(model.predict(rows), components)
    again = clone(model).fit(latents)
    np.testing.assert_array_equal(again.means_, model.means_)


def test_a_rows_result_does_not_depend_on_the_others():
    latents, _ = blobs()
    model = GaussianMixture(K, random_state=0).fit(latents)
    together = model.score_samples(latents)
    np.testing.assert_array_equal(model.score_samples(latents[7:9]), together[7:9])


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": 0},
        {"n_components": N + 1},
        {"covariance_type": "full"},
        {"max_iter": 0},
        {"tol": -1.0},
        {"n_init": 0},
        {"variance_floor": 0.0},
        {"means_init": np.zeros((K, D + 1))},
    ],
    ids=lambda change: next(iter(change)),
)
def test_unusable_parameters_raise(change):
    latents, _ = blobs()
    with pytest.raises(ValueError):
        GaussianMixture(**({"n_components": K} | change)).fit(latents)
    with pytest.raises(ValueError, match="NaN"):
        GaussianMixture(K).fit(np.where(latents > 20, np.nan, latents))
