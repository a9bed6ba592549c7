"""The learner's two fits: every option, known answers, no second compilation."""

import itertools

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np
import pytest
from mixture_cases import assert_finite, band64, dead64
from rounding import HALF_ULP, SAFETY, sums_of

from gmmal_jax.config import MixtureConfig
from gmmal_jax.mixtures import refit
from gmmal_jax.types import Streamed

N, D, K = 240, 6, 4


def problem(seed=0):
    """Separated classes, a quarter of the rows labeled."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, K, N).astype(np.int32)
    means = 10 * np.eye(K)[:, [0, 1, 2, 3, 0, 1]]
    latents = (means[classes] + rng.normal(size=(N, D))).astype(np.float32)
    labeled = rng.random(N) < 0.25
    return latents, classes, labeled, np.where(labeled, classes, -1).astype(np.int32)


def run(config, seed=0, previous=None, absent=None):
    latents, classes, labeled, labels = problem(seed)
    if absent is not None:
        labels[labels == absent] = -1
    first = refit.fit_labeled(latents, labels, labeled, K, config)
    key = jax.random.key(seed)
    mixture, info = refit.fit_pool(key, latents, ~labeled, first, config, previous)
    return first, mixture, info, (latents, classes, labeled)


OPTIONS = [
    MixtureConfig(init=init, mode=mode, shard_size=60, average=average, em_iters=4)
    for init, mode, average in itertools.product(
        ("labeled", "kmeans++"), ("sharded", "exact"), ("count", "equal")
    )
    if (mode, average) != ("exact", "equal")
]


@pytest.mark.parametrize(
    "config", OPTIONS, ids=lambda c: f"{c.init}-{c.mode}-{c.average}"
)
def test_separated_classes_are_found(config):
    _, mixture, info, (latents, classes, labeled) = run(config)
    assert_finite(mixture)
    assert info.live == K and info.rows_dropped == 0 and info.rho < 500
    rows, kinds = latents[~labeled], classes[~labeled]
    means = np.stack([rows[kinds == k].mean(0) for k in range(K)])
    distances = np.linalg.norm(np.asarray(mixture.means)[:, None] - means, axis=2)
    nearest = distances.argmin(1)
    if config.init == "labeled":
        np.testing.assert_array_equal(nearest, np.arange(K))
    np.testing.assert_array_equal(np.sort(nearest), np.arange(K))
    assert distances.min(1).max() < 0.3
    shares = np.array([(kinds == k).mean() for k in nearest])
    np.testing.assert_allclose(mixture.weights, shares, atol=5e-3)


def test_exact_fit_reports_its_log_likelihood():
    config = MixtureConfig(mode="exact", em_iters=4)
    first, mixture, info, (latents, _, labeled) = run(config)
    band = band64(
        latents[~labeled], first, 4, share=config.variance_floor, floor_of=dead64
    )
    band.holds(mixture)
    error = abs(info.log_likelihood - band.history[-1])
    assert error <= band.history_width()[-1]
    assert all(isinstance(entry, float) for entry in info)


@pytest.mark.parametrize("mode", ["sharded", "exact"])
def test_absent_class_gets_a_component(mode):
    config = MixtureConfig(mode=mode, shard_size=60, em_iters=4)
    first, mixture, info, (latents, classes, labeled) = run(config, absent=1)
    assert first.weights[1] == 0 and mixture.weights[1] > 0.1
    assert info.live == K
    own = latents[~labeled & (classes == 1)].mean(0)
    np.testing.assert_allclose(mixture.means[1], own, atol=0.3)


def test_previous_fit_is_the_start():
    config = MixtureConfig(init="previous", mode="exact", em_iters=4)
    first, mixture, *_ = run(config)
    turned = jax.tree.map(lambda x: jnp.roll(x, 1, 0), mixture)
    _, again, *_ = run(config, previous=turned)
    np.testing.assert_allclose(again.means, turned.means, atol=0.05)


@pytest.mark.parametrize("average", ["count", "equal"])
def test_sharded_class_statistics(average):
    latents, _, labeled, labels = problem()
    exact = refit.fit_labeled(latents, labels, labeled, K, MixtureConfig())
    config = MixtureConfig(labeled_mode="sharded", shard_size=30, average=average)
    sharded = refit.fit_labeled(latents, labels, labeled, K, config)
    again = refit.fit_labeled(latents, labels, labeled, K, config)
    np.testing.assert_allclose(sharded.means, exact.means, atol=0.5)
    np.testing.assert_allclose(sharded.weights, exact.weights, atol=0.02)
    for a, b in zip(sharded, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_spherical_and_uniform_options_are_read():
    config = MixtureConfig(
        covariance="spherical", labeled_weights="uniform", mode="exact", em_iters=4
    )
    first, mixture, *_ = run(config)
    np.testing.assert_allclose(first.weights, 1 / K)
    for values in (first, mixture):
        spread = values.variances.max(1) - values.variances.min(1)
        bound = SAFETY * HALF_ULP * values.variances.max(1)
        assert (spread <= bound).all()


def test_non_finite_rows_are_reported():
    latents, _, labeled, labels = problem()
    latents[np.flatnonzero(~labeled)[:3], 0] = np.nan
    config = MixtureConfig(shard_size=60, em_iters=4)
    first = refit.fit_labeled(latents, labels, labeled, K, config)
    mixture, info = refit.fit_pool(jax.random.key(0), latents, ~labeled, first, config)
    assert_finite(mixture)
    assert info.rows_dropped == 3


@pytest.mark.parametrize("rows", [2, 0])
def test_almost_empty_pool(rows):
    latents, _, labeled, labels = problem()
    config = MixtureConfig(shard_size=60, em_iters=4)
    first = refit.fit_labeled(latents, labels, labeled, K, config)
    mask = np.arange(N) < rows
    mixture, info = refit.fit_pool(jax.random.key(0), latents, mask, first, config)
    assert_finite(mixture)
    np.testing.assert_allclose(mixture.weights.sum(), 1, rtol=sums_of(K))
    assert np.isfinite(info).all()


def test_other_masks_compile_nothing():
    config = MixtureConfig(shard_size=60, em_iters=4, labeled_mode="sharded")
    run(config)
    events = []

    def listen(name, *_, **__):
        events.extend([name] if "backend_compile" in name else [])

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jnp.zeros(17) + 1  # the listener hears a compilation
        heard = len(events)
        for seed in (1, 2):
            run(config, seed=seed, absent=seed)
        assert heard > 0 and len(events) == heard
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.parametrize("covariance", ["diag", "spherical"])
@pytest.mark.parametrize("mode", ["exact", "sharded"])
@pytest.mark.parametrize("exponent", [-60, -45, 60])
def test_latents_of_any_size_are_fitted_alike(mode, covariance, exponent):
    """Where float32 has no room for squares, a refit finds other units."""
    config = MixtureConfig(mode=mode, covariance=covariance, shard_size=60)
    latents, _, labeled, labels = problem()
    fits = []
    for scale in (1.0, 2.0**exponent):
        rows = latents * np.float32(scale)
        first = refit.fit_labeled(rows, labels, labeled, K, config)
        key = jax.random.key(0)
        fits.append((first, *refit.fit_pool(key, rows, ~labeled, first, config)))
    scale = np.float32(2.0**exponent)
    for one, other in zip(fits[0][:2], fits[1][:2], strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
        np.testing.assert_array_equal(one.means * scale, other.means)
        np.testing.assert_array_equal(one.variances * scale * scale, other.variances)
    nats = fits[0][2].log_likelihood - D * exponent * np.log(2)
    error = abs(fits[1][2].log_likelihood - nats)
    assert error < SAFETY * HALF_ULP * (abs(nats) + abs(fits[0][2].log_likelihood))


def streamed(latents):
    return Streamed(latents.shape, latents.dtype, lambda rows: latents[rows])


@pytest.mark.parametrize("scale", [1.0, 2.0**-60, 2.0**60])
def test_streamed_latents_are_fitted_as_held_ones(scale):
    latents, _, labeled, labels = problem()
    latents = (latents * scale).astype(np.float32)
    config = MixtureConfig(mode="exact", em_iters=4)
    found = {}
    for form in (np.asarray, streamed):
        first = refit.fit_labeled(form(latents), labels, labeled, K, config)
        fitted = refit.fit_pool(
            jax.random.key(0), form(latents), ~labeled, first, config
        )
        found[form] = (first, *fitted)
    (first, one, info), (again, two, other) = found.values()
    for a, b in zip(
        jax.tree.leaves((first, one)), jax.tree.leaves((again, two)), strict=True
    ):
        # Sums of 240 rows in another order; iterations pass them on.
        size = np.abs(a).max()
        np.testing.assert_allclose(a, b, atol=20 * sums_of(N) * size, rtol=0)
    assert info.live == other.live and info.rows_dropped == other.rows_dropped
    assert abs(info.log_likelihood - other.log_likelihood) < 1e-3


def test_absent_classes_start_among_streamed_rows_too(monkeypatch):
    monkeypatch.setattr(refit, "_START_ROWS", 100)
    latents, classes, labeled, labels = problem()
    labels[labels == 2] = -1
    config = MixtureConfig(mode="exact", em_iters=6)
    lazy = streamed(latents)
    first = refit.fit_labeled(lazy, labels, labeled, K, config)
    assert first.weights[2] == 0
    mixture, info = refit.fit_pool(jax.random.key(0), lazy, ~labeled, first, config)
    mean = latents[(classes == 2) & ~labeled].mean(0)
    assert info.live == K and np.linalg.norm(mixture.means[2] - mean) < 0.5
