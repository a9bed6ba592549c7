"""Class statistics: float64 agreement, masks, absent classes, devices, shards."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import (
    KINDS,
    assert_finite,
    features,
    floor64,
)
from rounding import HALF_ULP, SAFETY, sums_of

from gmmal_jax.mixtures import classwise

C, N, D = 5, 64, 6
STATIC = ("num_classes", "covariance", "floor", "shrinkage", "weights")
fit = partial(jax.jit(classwise.fit, static_argnames=STATIC), num_classes=C)
fit_shards = partial(
    jax.jit(classwise.fit_shards, static_argnames=(*STATIC, "average")), num_classes=C
)
EVERY = np.ones(N, bool)


def equal(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def close(found, expected, rows, fits=1):
    """Assert what float32 sums of centred rows allow; of both sides, with two fits."""
    rows = np.float64(rows)
    spread, sums = rows.std(0), fits * sums_of(len(rows))
    rounded = fits * SAFETY * HALF_ULP
    weights, means, *variances = (np.float64(x) for x in expected)
    np.testing.assert_allclose(found[0], weights, rtol=sums)
    bound = rounded * np.abs(means) + sums * spread
    assert (np.abs(found[1] - means) <= bound).all()
    for variance in variances:
        # Residuals are what is left of distances from the common mean; the variance
        # of an absent class comes from the means of the others, which are rounded.
        size = spread + np.abs(means) * (weights == 0)[:, None]
        bound = sums * variance + 2 * rounded * size * np.sqrt(variance)
        error = np.abs(found[2] - variance)
        assert (error <= bound + rounded * spread**2).all()


def reference(latents, labels, shrinkage):
    latents = np.float64(latents)
    present = [c for c in range(C) if (labels == c).any()]
    within = sum((labels == c).sum() * latents[labels == c].var(0) for c in present)
    pooled = within / len(latents)
    means, variances, weights = [], [], []
    for c in range(C):
        own = latents[labels == c]
        if c in present:
            variance = (len(own) * own.var(0) + shrinkage * pooled) / (
                len(own) + shrinkage
            )
        else:
            own, variance = latents, latents.var(0)
        means.append(own.mean(0))
        variances.append(np.maximum(variance, floor64(latents)))
        weights.append((labels == c).mean())
    return np.array(weights), np.array(means), np.array(variances)


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_float64(kind, shrinkage):
    latents, labels = features(kind, N, D, C)
    labels[labels == 2] = 1
    values = fit(latents, labels, EVERY, shrinkage=shrinkage)
    close(values, reference(latents, labels, shrinkage), latents)
    assert values.weights[2] == 0


def test_uniform_weights_are_equal_over_the_classes_that_exist():
    latents, labels = features("plain", N, D, C)
    labels[labels == 2] = 1
    values = fit(latents, labels, EVERY, weights="uniform")
    np.testing.assert_allclose(values.weights, [0.25, 0.25, 0, 0.25, 0.25])


def test_spherical_variances_are_the_mean_over_dimensions():
    latents, labels = features("plain", N, D, C)
    plain = fit(latents, labels, EVERY)
    round_ = fit(latents, labels, EVERY, covariance="spherical")
    expected = np.broadcast_to(plain.variances.mean(1, keepdims=True), (C, D))
    np.testing.assert_allclose(round_.variances, expected, rtol=sums_of(D))
    close(plain[:2], round_[:2], latents, fits=2)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([0.0, -1e9, np.nan, np.inf]))
def test_rows_that_do_not_count_have_no_influence(seed, junk):
    rng = np.random.default_rng(seed)
    latents, labels = features("plain", N, D, C, seed)
    mask, known = rng.random(N) < 0.6, rng.random(N) < 0.6
    labels = np.where(known, labels, -1).astype(np.int32)
    spoilt = np.where((mask & known)[:, None], latents, np.float32(junk))
    relabeled = np.where(mask, labels, rng.integers(-1, C, N)).astype(np.int32)
    expected = fit(latents, labels, mask)
    equal(fit(spoilt, relabeled, mask), expected)
    order = rng.permutation(N)
    moved = fit(latents[order], labels[order], mask[order])
    close(moved, expected, latents[mask & known], fits=2)


def test_non_finite_rows_are_dropped():
    latents, labels = features("plain", N, D, C)
    mask = np.arange(N) > 1
    expected = fit(latents, labels, mask)
    latents[0, 0], latents[1, 2] = np.nan, -np.inf
    equal(fit(latents, labels, EVERY), expected)


@pytest.mark.parametrize("shrinkage", [0.0, 10.0])
def test_degenerate_sets_are_finite(shrinkage):
    latents, _ = features("plain", N, D, C)
    distinct = np.where(np.arange(N) < C, np.arange(N), -1).astype(np.int32)
    one_class = np.zeros(N, np.int32)
    nothing = np.full(N, -1, np.int32)
    flat = np.full_like(latents, 3.7)
    for x, labels in (
        (latents, distinct),
        (latents, one_class),
        (latents, nothing),
        (flat, distinct),
        (flat, one_class),
    ):
        values = fit(x, labels, EVERY, shrinkage=shrinkage)
        assert_finite(values)
        total = float((labels >= 0).any())
        np.testing.assert_allclose(values.weights.sum(), total, rtol=sums_of(C))
    values = fit(latents, distinct, EVERY, shrinkage=shrinkage)
    used = latents[:C]
    error = np.abs(values.means - used)
    assert (error <= sums_of(C) * (np.abs(used) + used.std(0))).all()


@pytest.mark.parametrize("devices", [2, 8])
def test_devices_that_share_the_rows_agree_with_one(devices):
    latents, labels = features("offset", N, D, C)
    labels[labels == 2] = -1
    mask = np.arange(N) < 50
    per_device = partial(classwise.fit, num_classes=C, axis_name="batch")
    split = jax.tree.map(
        lambda x: x.reshape(devices, -1, *x.shape[1:]), (latents, labels, mask)
    )
    together = jax.pmap(per_device, axis_name="batch", out_axes=None)(*split)
    close(together, fit(latents, labels, mask), latents[mask & (labels >= 0)], fits=2)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_discounted_statistics_are_running_averages(decay):
    """Sums of 1, z and z^2 that lose a share each step, in float64; 100 std from 0."""
    sums = [np.zeros((C, 1)), np.zeros((C, D)), np.zeros((C, D))]
    running = classwise.no_statistics(C, D)

    @jax.jit
    def add(running, latents, labels):
        fresh = classwise.statistics(latents, labels, jnp.ones(N, bool), num_classes=C)
        return classwise.discounted(running, fresh, decay)

    largest, widest, steps = 0.0, 0.0, 12
    for step in range(steps):
        latents, labels = features("plain", N, D, C, seed=step)
        latents = latents + np.float32(100)
        labels[labels == step % 3] = -1  # classes come and go; class 3 is never away
        labels[labels == 4] = 3  # and class 4 never comes
        running = add(running, latents, labels)
        member = (labels[None] == np.arange(C)[:, None]).astype(np.float64)
        z = np.float64(latents)
        new = (member.sum(1, keepdims=True), member @ z, member @ z**2)
        sums = [decay * old + more for old, more in zip(sums, new, strict=True)]
        largest, widest = np.maximum(largest, z.max(0)), np.maximum(widest, z.std(0))
    seen = sums[0][:, 0] > 0
    counts = np.where(sums[0] > 0, sums[0], 1.0)
    means = sums[1] / counts
    np.testing.assert_allclose(running.counts, sums[0][:, 0], rtol=sums_of(2 * steps))
    # Every step rounds the means once more; distances of means are then as rough.
    rounded = sums_of(steps) * largest + sums_of(N * steps) * widest
    assert (np.abs(running.means - means)[seen] <= rounded).all()
    variances = (sums[2] / counts - means**2)[seen]
    error = np.abs(running.variances[seen] - variances)
    assert (error <= sums_of(N * steps) * variances + 2 * rounded * widest).all()
    assert not seen[4] and running.counts[4] == 0
    for leaf in running:
        assert np.isfinite(leaf).all() and leaf.dtype == jnp.float32


def test_average_by_count_has_the_exact_means():
    latents, labels = features("plain", N, D, C)
    shards = jax.tree.map(lambda x: x.reshape(4, 16, *x.shape[1:]), (latents, labels))
    mask = np.ones((4, 16), bool)
    mask[3] = False
    kept = mask.reshape(-1)
    sharded = fit_shards(*shards, mask, average="count")
    exact = fit(latents, labels, kept)
    close(sharded[:2], exact[:2], latents[kept], fits=2)
    assert_finite(sharded)


@pytest.mark.parametrize("average", ["count", "equal"])
def test_average_of_equal_shards_is_the_shard(average):
    latents, labels = features("plain", N, D, C)
    labels[labels == 2] = 1
    shards = jax.tree.map(lambda x: np.stack([x] * 3), (latents, labels))
    mask = np.stack([EVERY, EVERY, ~EVERY])
    values = fit_shards(*shards, mask, average=average, shrinkage=0.0)
    close(values, fit(latents, labels, EVERY, shrinkage=0.0), latents, fits=2)


def test_average_of_empty_shards_is_finite():
    latents = jnp.zeros((2, 4, D))
    labels = jnp.full((2, 4), -1)
    for average in ("count", "equal"):
        values = fit_shards(latents, labels, labels > 0, average=average)
        assert_finite(values)
        assert values.weights.sum() == 0
