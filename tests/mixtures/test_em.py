"""EM: float64 and scikit-learn agreement, masks, dead components, blocks, shards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import (
    DRIFT,
    KINDS,
    as64,
    assert_finite,
    band64,
    clear_tolerance,
    features,
    floor64,
    mixture,
    random_start,
)
from rounding import HALF_ULP, SAFETY, sums_of
from sklearn.mixture import GaussianMixture

from gmmal_jax import devices
from gmmal_jax.mixtures import classwise, em, layout, merge, moments, stream

N, D, K = 600, 40, 10
EVERY = np.ones(N, bool)
SMALL = (48, 3, 4)


def equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def take(values, place):
    return jax.tree.map(lambda x: x[place], values)


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
    band64(latents, start, 10).holds(fitted, info.log_likelihood)
    assert int(info.live) == K and float(info.rho) < 500


def test_agrees_with_float64_with_many_components():
    latents, _ = features("plain", 2000, 32, 100)
    start = random_start(latents, 100)
    fitted, info = em.fit(latents, np.ones(2000, bool), start, num_iters=5)
    band64(latents, start, 5).holds(fitted, info.log_likelihood)


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_rows_centered_once_are_as_accurate_as_those_centered_anew(seed):
    """One centre for the iterations after the second left rho at 33, 41, 6 and 34."""
    latents, _ = features("dead", N, D, 5, seed)
    start = random_start(latents, 5)
    resident, info = em.fit(latents, EVERY, start)
    streamed, anew = stream.fit(latents, EVERY, start)
    assert info.rho <= DRIFT * max(float(anew.rho), 1.0)
    band = band64(latents, start, 10)
    for fitted, how in ((resident, info), (streamed, anew)):
        band.holds(fitted, how.log_likelihood)


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
    fitted, info = em.fit(latents, EVERY, mixture(*start))
    assert (np.float64(peer.covariances_) > floor64(latents)[None]).all()
    band = band64(latents, start, 10)
    band.holds(fitted, info.log_likelihood)
    band.holds((peer.weights_, peer.means_, peer.covariances_))


def test_log_likelihood_never_falls():
    latents, _ = features("plain", N, D, K, seed=3)
    start = random_start(latents, K)
    _, info = em.fit(latents, EVERY, start)
    steps = np.diff(info.log_likelihood)
    width = band64(latents, start, 10).history_width()
    assert (steps >= -width[1:] - width[:-1]).all()


def test_separated_blobs_give_class_statistics_after_one_iteration():
    latents, labels = blobs()
    every = np.ones(len(latents), bool)
    rows = (jnp.asarray(x) for x in (latents, labels, every))
    start = classwise.fit(*rows, num_classes=3, shrinkage=0.0)
    fitted, _ = em.fit(latents, every, start, num_iters=1)
    band = band64(latents, start, 1)
    band.holds(fitted)
    band.holds(start)


def test_one_component_is_mean_and_biased_variance():
    latents, start = small()
    start = jax.tree.map(lambda x: x[:1], start)._replace(weights=jnp.ones(1))
    every = np.ones(len(latents), bool)
    mean, variance = (
        np.float64(latents).mean(0)[None],
        np.float64(latents).var(0)[None],
    )
    for covariance, expected in (
        ("diag", variance),
        ("spherical", np.full_like(variance, variance.mean())),
    ):
        options = {"num_iters": 1, "covariance": covariance}
        fitted, _ = em.fit(latents, every, start, **options)
        band = band64(latents, start, **options)
        band.holds(fitted)
        band.holds(([1.0], mean, expected))


def test_blocks_give_the_same():
    latents, _ = features("offset", N, D, K)
    mask = np.arange(N) % 7 > 0
    start = random_start(latents, K)
    whole, whole_info = em.fit(latents, mask, start)
    blocks, blocks_info = em.fit(latents, mask, start, block_rows=256)
    band = band64(latents[mask], start, 10)
    band.holds(whole, whole_info.log_likelihood)
    band.holds(blocks, blocks_info.log_likelihood)
    np.testing.assert_allclose(blocks_info.counts.sum(), mask.sum(), rtol=sums_of(N))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.0, 1e9, np.nan, np.inf]))
def test_masked_rows_have_no_influence(seed, junk):
    latents, start = small(seed)
    mask = np.random.default_rng(seed).random(len(latents)) < 0.7
    spoilt = np.where(mask[:, None], latents, np.float32(junk))
    fitted, info = em.fit(latents, mask, start, num_iters=3)
    again, again_info = em.fit(spoilt, mask, start, num_iters=3)
    equal(again, fitted)
    assert int(info.rows_dropped) == int(again_info.rows_dropped) == 0


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16))
def test_order_of_rows_does_not_matter(seed):
    latents, start = small(seed)
    order = np.random.default_rng(seed).permutation(len(latents))
    every = np.ones(len(latents), bool)
    fitted, _ = em.fit(latents, every, start, num_iters=3)
    again, _ = em.fit(latents[order], every, start, num_iters=3)
    band = band64(latents, start, 3)
    band.holds(fitted)
    band.holds(again)


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
    mean, std = used.mean(0), used.std(0)
    # A mean is a block's rough one, rounded, plus a sum of offsets from it.
    error = np.abs(data.mean - mean)
    assert (error <= SAFETY * HALF_ULP * np.abs(mean) + sums_of(N) * std).all()
    # Means of blocks, rounded, are also what the blocks' distances come from.
    rounded = SAFETY * HALF_ULP * np.abs(mean)
    error = np.abs(data.variance - std**2)
    assert (error <= sums_of(N) * std**2 + rounded * std + rounded**2).all()


def test_stops_when_an_iteration_gains_less_than_the_tolerance():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    tolerance, wanted = clear_tolerance(band64(latents, start, 30))
    stopped, info = em.fit(latents, EVERY, start, num_iters=30, tolerance=tolerance)
    assert int(info.iterations) == wanted < 30
    band = band64(latents, start, wanted)
    band.holds(stopped, info.log_likelihood[:wanted])
    np.testing.assert_array_equal(
        info.log_likelihood[wanted:], info.log_likelihood[wanted - 1]
    )
    shards, shards_info = em.fit_shards(
        np.stack([latents] * 2),
        np.stack([EVERY, ~EVERY]),
        start,
        num_iters=30,
        tolerance=tolerance,
        group_size=2,
    )
    assert shards_info.iterations.tolist() == [wanted, 2]
    band.holds(take(shards, 0))


def test_non_finite_rows_are_dropped_and_counted():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    expected, _ = em.fit(latents, np.arange(N) > 1, start)
    latents[0, 0], latents[1, 3] = np.nan, np.inf
    fitted, info = em.fit(latents, EVERY, start)
    equal(fitted, expected)
    assert int(info.rows_dropped) == 2


def test_dead_component_keeps_its_mean_and_takes_the_width_of_the_data():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents, K)
    start = start._replace(means=start.means.at[3].add(1e3))
    fitted, info = em.fit(latents, EVERY, start)
    assert_finite(fitted)
    np.testing.assert_array_equal(fitted.means[3], start.means[3])
    variance = np.float64(latents).var(0)
    np.testing.assert_allclose(fitted.variances[3], variance, rtol=sums_of(N))
    np.testing.assert_allclose(fitted.weights[3], 1e-3 / (N + 1e-3), rtol=sums_of(N))
    assert int(info.live) == K - 1 and info.counts[3] == 0
    band64(latents, start, 10).holds(fitted, info.log_likelihood)


def test_component_of_weight_zero_may_win_points():
    latents, labels = blobs()
    means = np.concatenate([20.0 * np.eye(3), np.full((1, 3), 500.0)])
    start = mixture([0.5, 0.5, 0.0, 0.0], means, np.ones((4, 3)))
    fitted, info = em.fit(latents, np.ones(len(labels), bool), start, num_iters=3)
    # The lost one weighs as a thousandth of a row.
    n = len(labels)
    expected = np.full(3, n / 3 / (n + 1e-3))
    np.testing.assert_allclose(fitted.weights[:3], expected, rtol=sums_of(n))
    assert int(info.live) == 3


def test_degenerate_sets_are_finite():
    latents, start = small()
    n = len(latents)
    flat = np.full_like(latents, 3.7)
    for rows in (n, 3, 1, 0):
        for x in (latents, flat):
            fitted, info = em.fit(x, np.arange(n) < rows, start, num_iters=3)
            assert_finite(fitted)
            np.testing.assert_allclose(fitted.weights.sum(), 1, rtol=sums_of(n))
            for leaf in info:
                assert np.isfinite(leaf).all()
            np.testing.assert_allclose(info.counts.sum(), rows, rtol=sums_of(n))
    np.testing.assert_array_equal(fitted.means, start.means)


def test_one_huge_outlier_does_not_spoil_the_rest():
    latents, _ = features("plain", N, D, K)
    start = random_start(latents[1:], K)
    latents[0] *= 1e4
    fitted, info = em.fit(latents, EVERY, start)
    band64(latents, start, 10).holds(fitted, info.log_likelihood)


@pytest.mark.parametrize("group_size", [1, 3])
def test_shards_are_independent_fits(group_size):
    latents, start = small()
    stack = np.stack([latents, features("plain", *SMALL, 5)[0], latents])
    mask = np.ones(stack.shape[:2], bool)
    mask[1, ::3] = False
    mask[2] = False
    fitted, info = em.fit_shards(stack, mask, start, num_iters=3, group_size=group_size)
    for s in range(2):
        band = band64(stack[s][mask[s]], start, 3)
        band.holds(take(fitted, s), info.log_likelihood[s])
        shares = info.counts[s] / mask[s].sum()
        band.holds_measure("counts", lambda m: m.weights, shares)
    assert_finite(fitted)
    equal(take(fitted, 2), em.fit(latents, mask[2], start, num_iters=3)[0])
    assert info.counts[2].sum() == 0


def test_shards_side_by_side_follow_the_memory(monkeypatch):
    assert layout.group_size(25, 2000, 1044) == 1  # a CPU's cache holds one
    monkeypatch.setattr(devices, "on_cpu", lambda: False)
    quarter = 4 * 2000 * 1044 * 10  # ten shards
    monkeypatch.setattr(devices, "memory_bytes", lambda: 4 * quarter)
    sizes = [layout.group_size(shards, 2000, 1044) for shards in (1, 10, 11, 25)]
    assert sizes == [1, 10, 6, 9]
    assert layout.group_size(25, 10**6, 1044) == 1


@pytest.mark.parametrize("average", ["count", "equal"])
def test_equal_shards_merge_to_the_exact_fit(average):
    latents, start = small()
    every = np.ones(len(latents), bool)
    stack, mask = np.stack([latents] * 3), np.stack([every, every, ~every])
    shards, info = em.fit_shards(stack, mask, start, num_iters=3)
    merged = merge.merge(shards, info.counts, start, average=average)
    band64(latents, start, 3).holds(merged)


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
