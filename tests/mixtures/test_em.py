"""EM: float64 and scikit-learn agreement, masks, dead components, blocks, shards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import (
    KINDS,
    as64,
    assert_finite,
    em64,
    features,
    floor64,
    log_likelihood64,
    mixture,
    random_start,
    relative,
)
from sklearn.mixture import GaussianMixture

from gmmal_jax.mixtures import classwise, em, layout, merge, moments

N, D, K = 600, 40, 10
EVERY = np.ones(N, bool)
SMALL = (48, 3, 4)


def equal(a, b, rtol=1e-4, atol=1e-5):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol)


def small(seed=0):
    n, d, k = SMALL
    latents, _ = features("plain", n, d, k, seed)
    return latents, random_start(latents, k, seed)


def blobs():
    """Three unit-variance blobs 20 standard deviations apart."""
    n, d, k = SMALL
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % 3).astype(np.int32)
    latents = 20.0 * np.eye(3)[labels] + rng.normal(size=(n, d))
    return latents.astype(np.float32), labels


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_float64(kind):
    latents, _ = features(kind, N, D, K)
    start = random_start(latents, K)
    fitted, info = em.fit(latents, EVERY, start)
    expected, history = em64(latents, start, 10)
    np.testing.assert_allclose(info.log_likelihood, history, atol=3e-6 * D)
    value = log_likelihood64(latents, fitted).mean()
    assert relative(value, log_likelihood64(latents, expected).mean()) < 1e-6
    assert int(info.live) == K and float(info.rho) < 500


def test_agrees_with_float64_with_many_components():
    latents, _ = features("plain", 2000, 32, 100)
    start = random_start(latents, 100)
    fitted, _ = em.fit(latents, np.ones(2000, bool), start, num_iters=5)
    expected, _ = em64(latents, start, 5)
    value = log_likelihood64(latents, fitted).mean()
    assert relative(value, log_likelihood64(latents, expected).mean()) < 2e-5


@pytest.mark.filterwarnings("ignore")  # scikit-learn warns that it did not converge
def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    patterns = 0.6 * rng.normal(size=(K, D))
    latents = patterns[np.arange(N) % K] + rng.normal(size=(N, D))
    latents = latents.astype(np.float32)
    variances = np.broadcast_to(latents.var(0), (K, D))
    start = as64(mixture(np.full(K, 1 / K), patterns, variances))
    peer = GaussianMixture(
        K,
        covariance_type="diag",
        max_iter=10,
        tol=0,
        reg_covar=0,
        weights_init=start.weights / start.weights.sum(),
        means_init=start.means,
        precisions_init=1 / start.variances,
    ).fit(np.float64(latents))
    fitted, _ = em.fit(latents, EVERY, mixture(*start))
    expected = (peer.weights_, peer.means_, peer.covariances_)
    value = log_likelihood64(latents, fitted).mean()
    peers_value = log_likelihood64(latents, mixture(*expected)).mean()
    assert (np.float64(peer.covariances_) > floor64(latents)[None]).all()
    assert relative(value, peers_value) < 1e-6


def test_log_likelihood_never_falls():
    latents, _ = features("plain", N, D, K, seed=3)
    _, info = em.fit(latents, EVERY, random_start(latents, K))
    steps = np.diff(info.log_likelihood)
    assert (steps >= -1e-6 * np.abs(info.log_likelihood[1:])).all()


def test_separated_blobs_give_class_statistics_after_one_iteration():
    latents, labels = blobs()
    every = np.ones(len(latents), bool)
    rows = (jnp.asarray(x) for x in (latents, labels, every))
    start = classwise.fit(*rows, num_classes=3, shrinkage=0.0)
    fitted, _ = em.fit(latents, every, start, num_iters=1)
    equal(fitted, start)


def test_one_component_is_mean_and_biased_variance():
    latents, start = small()
    start = jax.tree.map(lambda x: x[:1], start)._replace(weights=jnp.ones(1))
    every = np.ones(len(latents), bool)
    fitted, _ = em.fit(latents, every, start, num_iters=1)
    expected = ([1.0], latents.mean(0)[None], latents.var(0)[None])
    equal(fitted, expected, rtol=1e-5)
    spherical, _ = em.fit(latents, every, start, num_iters=1, covariance="spherical")
    np.testing.assert_allclose(
        spherical.variances, np.full((1, 3), latents.var(0).mean()), rtol=1e-5
    )


def test_blocks_give_the_same():
    latents, _ = features("offset", N, D, K)
    mask = np.arange(N) % 7 > 0
    start = random_start(latents, K)
    whole, whole_info = em.fit(latents, mask, start)
    blocks, blocks_info = em.fit(latents, mask, start, block_rows=256)
    assert relative(blocks_info.log_likelihood, whole_info.log_likelihood) < 1e-5
    rows = latents[mask]
    value = log_likelihood64(rows, whole).mean()
    assert relative(log_likelihood64(rows, blocks).mean(), value) < 1e-6
    np.testing.assert_allclose(blocks_info.counts.sum(), mask.sum(), rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.0, 1e9, np.nan, np.inf]))
def test_masked_rows_have_no_influence(seed, junk):
    latents, start = small(seed)
    mask = np.random.default_rng(seed).random(len(latents)) < 0.7
    spoilt = np.where(mask[:, None], latents, np.float32(junk))
    fitted, info = em.fit(latents, mask, start, num_iters=3)
    again, again_info = em.fit(spoilt, mask, start, num_iters=3)
    equal(again, fitted, rtol=0, atol=0)
    assert int(info.rows_dropped) == int(again_info.rows_dropped) == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_order_of_rows_does_not_matter(seed):
    latents, start = small(seed)
    order = np.random.default_rng(seed).permutation(len(latents))
    every = np.ones(len(latents), bool)
    fitted, _ = em.fit(latents, every, start, num_iters=3)
    again, _ = em.fit(latents[order], every, start, num_iters=3)
    equal(again, fitted, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_moments_of_blocks_are_those_of_all_rows(kind, monkeypatch):
    latents, _ = features(kind, N, D, K)
    latents[5] = np.nan
    mask = np.arange(N) % 7 > 0
    monkeypatch.setattr(layout, "block_rows", lambda num_rows, width: 128)
    rows, data = moments.survey(jnp.asarray(latents), jnp.asarray(mask))
    expected = mask & (np.arange(N) != 5)
    np.testing.assert_array_equal(rows, expected)
    used = np.float64(latents[expected])
    assert float(data.num_rows) == expected.sum()
    np.testing.assert_allclose(data.mean, used.mean(0), rtol=3e-7)
    np.testing.assert_allclose(data.variance, used.var(0), rtol=2e-5, atol=1e-9)


def test_stops_when_an_iteration_gains_less_than_the_tolerance():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    _, every = em.fit(latents, EVERY, start, num_iters=30)
    gains = np.diff(every.log_likelihood)
    wanted = int(np.argmax(gains < 0.01)) + 2
    stopped, info = em.fit(latents, EVERY, start, num_iters=30, tolerance=0.01)
    assert int(info.iterations) == wanted < 30 == int(every.iterations)
    alone, _ = em.fit(latents, EVERY, start, num_iters=wanted)
    equal(stopped, alone, rtol=1e-3)
    np.testing.assert_array_equal(
        info.log_likelihood[wanted:], info.log_likelihood[wanted - 1]
    )
    shards, shards_info = em.fit_shards(
        np.stack([latents] * 2),
        np.stack([EVERY, ~EVERY]),
        start,
        num_iters=30,
        tolerance=0.01,
        group_size=2,
    )
    assert shards_info.iterations.tolist() == [wanted, 2]
    equal(jax.tree.map(lambda x: x[0], shards), stopped, rtol=1e-3)


def test_non_finite_rows_are_dropped_and_counted():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    expected, _ = em.fit(latents, np.arange(N) > 1, start)
    latents[0, 0], latents[1, 3] = np.nan, np.inf
    fitted, info = em.fit(latents, EVERY, start)
    equal(fitted, expected, rtol=0, atol=0)
    assert int(info.rows_dropped) == 2


def test_dead_component_keeps_its_mean_and_takes_the_width_of_the_data():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    start = start._replace(means=start.means.at[3].add(1e3))
    fitted, info = em.fit(latents, EVERY, start)
    assert_finite(fitted)
    np.testing.assert_array_equal(fitted.means[3], start.means[3])
    np.testing.assert_allclose(fitted.variances[3], latents.var(0), rtol=1e-4)
    np.testing.assert_allclose(fitted.weights[3], 1e-3 / N, rtol=1e-3)
    assert int(info.live) == K - 1 and info.counts[3] == 0
    expected, _ = em64(latents, start, 10)
    value = log_likelihood64(latents, fitted).mean()
    # A lost component makes EM magnify rounding: over seeds the error reaches 2e-5.
    assert relative(value, log_likelihood64(latents, expected).mean()) < 2e-5


def test_component_of_weight_zero_may_win_points():
    latents, labels = blobs()
    means = np.concatenate([20.0 * np.eye(3), np.full((1, 3), 500.0)])
    start = mixture([0.5, 0.5, 0.0, 0.0], means, np.ones((4, 3)))
    fitted, info = em.fit(latents, np.ones(len(labels), bool), start, num_iters=3)
    np.testing.assert_allclose(fitted.weights[:3], 1 / 3, atol=1e-4)
    assert int(info.live) == 3


def test_degenerate_sets_are_finite():
    latents, start = small()
    n = len(latents)
    flat = np.full_like(latents, 3.7)
    for rows in (n, 3, 1, 0):
        for x in (latents, flat):
            fitted, info = em.fit(x, np.arange(n) < rows, start, num_iters=3)
            assert_finite(fitted)
            np.testing.assert_allclose(fitted.weights.sum(), 1, rtol=1e-5)
            for leaf in info:
                assert np.isfinite(leaf).all()
            np.testing.assert_allclose(info.counts.sum(), rows, atol=1e-4)
    np.testing.assert_array_equal(fitted.means, start.means)


def test_one_huge_outlier_does_not_spoil_the_rest():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents[1:], K)
    latents[0] *= 1e4
    fitted, _ = em.fit(latents, EVERY, start)
    expected, _ = em64(latents, start, 10)
    value = log_likelihood64(latents, fitted).mean()
    assert relative(value, log_likelihood64(latents, expected).mean()) < 1e-5


@pytest.mark.parametrize("group_size", [1, 3])
def test_shards_are_independent_fits(group_size):
    latents, start = small()
    stack = np.stack([latents, features("plain", *SMALL, 5)[0], latents])
    mask = np.ones(stack.shape[:2], bool)
    mask[1, ::3] = False
    mask[2] = False
    fitted, info = em.fit_shards(stack, mask, start, num_iters=3, group_size=group_size)
    for s in range(3):
        alone, alone_info = em.fit(stack[s], mask[s], start, num_iters=3)
        equal(jax.tree.map(lambda x, s=s: x[s], fitted), alone, rtol=1e-3)
        np.testing.assert_allclose(info.counts[s], alone_info.counts, rtol=1e-3)
    assert_finite(fitted)
    assert info.counts[2].sum() == 0


@pytest.mark.parametrize("average", ["count", "equal"])
def test_equal_shards_merge_to_the_exact_fit(average):
    latents, start = small()
    every = np.ones(len(latents), bool)
    exact, _ = em.fit(latents, every, start, num_iters=3)
    stack, mask = np.stack([latents] * 3), np.stack([every, every, ~every])
    shards, info = em.fit_shards(stack, mask, start, num_iters=3)
    equal(merge.merge(shards, info.counts, start, average=average), exact)


deal = jax.jit(em.to_shards, static_argnames="shard_size")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.floats(0, 1))
def test_every_row_is_dealt_once_and_evenly(seed, share):
    mask = np.random.default_rng(seed).random(53) < share
    indices, filled = deal(jax.random.key(seed), mask, shard_size=10)
    assert indices.shape == filled.shape == (6, 9)
    indices, filled = np.asarray(indices), np.asarray(filled)
    np.testing.assert_array_equal(np.sort(indices[filled]), np.flatnonzero(mask))
    sizes = filled.sum(1)
    used = max(-(-mask.sum() // 9), 1)
    assert sizes[:used].max() - sizes[:used].min() <= 1 and sizes[used:].sum() == 0


def test_deal_depends_on_the_key_only():
    mask = np.ones(53, bool)
    first, again, other = (
        deal(jax.random.key(seed), mask, shard_size=10)[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
