"""scikit-learn's own checks, and agreement with its mixture."""

import numpy as np
import pytest
from mixture_cases import (
    band64,
    evaluation64,
    features,
    log_joint64,
    log_likelihood64,
    random_start,
)
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
    wide = np.broadcast_to(1 / precisions.reshape(K, -1), (K, D))
    band = band64(
        latents, start._replace(variances=wide), 8, share=1e-12, covariance=covariance
    )
    ours = GaussianMixture(K, variance_floor=1e-12, **given).fit(latents)
    peer = peers.GaussianMixture(K, reg_covar=1e-12, **given).fit(np.float64(latents))
    assert ours.covariances_.shape == peer.covariances_.shape
    assert ours.n_iter_ == peer.n_iter_ == 8 and not ours.converged_
    rounding = evaluation64(latents, band.mixture).max()

    def scores(mixture):
        return log_likelihood64(latents, mixture)

    def posteriors(mixture):
        return np.exp(log_joint64(latents, mixture) - scores(mixture)[:, None])

    for model, history in ((ours, ours.lower_bounds_), (peer, band.history)):
        variances = model.covariances_.reshape(K, -1) + np.zeros((K, D))
        band.holds((model.weights_, model.means_, variances), history)
        error = abs(model.lower_bound_ - band.history[-1])
        assert error <= band.history_width()[-1]
        found = model.score_samples(latents)
        band.holds_measure("score_samples", scores, found, rounding)
        # A posterior's derivative by a log-joint density is at most 1/4, by all 1/2.
        found = model.predict_proba(latents)
        band.holds_measure("predict_proba", posteriors, found, rounding / 2)
    theirs = np.float64(latents)
    width = 2 * (band.width(scores) + rounding)
    assert abs(ours.score(latents) - peer.score(theirs)) <= width
    for method in ("bic", "aic"):
        error = getattr(ours, method)(latents) - getattr(peer, method)(theirs)
        assert abs(error) <= 2 * N * width, method
    best = np.sort(posteriors(band.mixture), axis=1)
    clear = best[:, -1] - best[:, -2] > 2 * (band.width(posteriors) + rounding)
    assert clear.mean() > 0.9
    found = ours.predict(latents)[clear]
    np.testing.assert_array_equal(found, peer.predict(theirs)[clear])


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
