"""Starts: k-means++ picks, and the labeled mixture completed."""

import jax
import jax.numpy as jnp
import numpy as np
from mixture_cases import assert_finite, mixture
from rounding import sums_of

from gmmal_jax.mixtures import start

N, K = 60, 4
CENTRES = 100.0 * np.eye(4)[:, :3] + 7


def blobs():
    rng = np.random.default_rng(0)
    labels = np.arange(N) % K
    latents = CENTRES[labels] + rng.normal(size=(N, 3))
    return latents.astype(np.float32), labels


def nearest(means):
    return np.linalg.norm(np.asarray(means)[:, None] - CENTRES, axis=2).argmin(1)


def kmeanspp(latents, mask, seed=0):
    return start.kmeanspp(jax.random.key(seed), latents, mask, num_components=K)


def test_kmeanspp_picks_a_row_of_every_blob():
    latents, _ = blobs()
    for seed in range(5):
        values = kmeanspp(latents, np.ones(N, bool), seed)
        np.testing.assert_array_equal(np.sort(nearest(values.means)), np.arange(K))
        assert (np.asarray(values.means)[:, None] == latents).all(2).any(1).all()
    np.testing.assert_allclose(values.weights, 0.25)
    variance = np.float64(latents).var(0)
    np.testing.assert_allclose(values.variances[0], variance, rtol=sums_of(N))


def test_kmeanspp_never_picks_rows_that_do_not_count():
    latents, labels = blobs()
    latents[0] = np.nan
    values = kmeanspp(latents, (labels == 2) | (np.arange(N) == 0))
    assert_finite(values)
    np.testing.assert_array_equal(nearest(values.means), 2)


def test_kmeanspp_with_too_few_rows():
    latents, _ = blobs()
    for rows in (2, 1, 0):
        assert_finite(kmeanspp(latents, np.arange(N) < rows))
    assert_finite(kmeanspp(np.full_like(latents, 3.7), np.ones(N, bool)))


def labeled(weights):
    means = np.where(np.array(weights)[:, None] > 0, CENTRES, CENTRES.mean(0))
    scale = np.arange(1.0, 5.0)[:, None] * np.ones((1, 3))
    return mixture(weights, means, scale)


def complete(values, latents, mask):
    return start.complete(jax.random.key(0), values, jnp.asarray(latents), mask)


def test_complete_mixture_stays_as_it_is():
    latents, _ = blobs()
    values = labeled([0.1, 0.2, 0.3, 0.4])
    for a, b in zip(complete(values, latents, np.ones(N, bool)), values, strict=True):
        np.testing.assert_array_equal(a, b)


def test_absent_classes_start_at_unlikely_rows():
    latents, _ = blobs()
    values = labeled([0.5, 0.0, 0.5, 0.0])
    got = complete(values, latents, np.ones(N, bool))
    assert set(nearest(got.means[1::2])) <= {1, 3}
    assert (got.means[1] != got.means[3]).any()
    np.testing.assert_array_equal(got.means[::2], values.means[::2])
    np.testing.assert_allclose(got.weights, 0.25)
    np.testing.assert_allclose(got.variances[:, 0], [1, 2, 3, 2], rtol=sums_of(K))


def test_absent_classes_never_start_at_masked_rows():
    latents, labels = blobs()
    got = complete(labeled([0.5, 0.0, 0.5, 0.0]), latents, labels == 2)
    np.testing.assert_array_equal(nearest(got.means), [0, 2, 2, 2])


def test_no_class_and_no_row():
    latents, _ = blobs()
    got = complete(labeled([0.0] * 4), latents, np.ones(N, bool))
    np.testing.assert_array_equal(np.sort(nearest(got.means)), np.arange(K))
    np.testing.assert_allclose(got.weights, 0.25)
    assert_finite(complete(labeled([0.0] * 4), latents, np.zeros(N, bool)))


def test_a_complete_mixture_is_returned_without_a_look_at_the_rows():
    """Beside the branch for absent classes nothing larger than the mixture is made."""
    rows = jnp.asarray(blobs()[0]), jnp.ones(N, bool)
    traced = start.complete.trace(jax.random.key(0), labeled([0.25] * 4), *rows)
    made = traced.jaxpr.eqns
    assert [e.primitive.name for e in made].count("cond") == 1
    assert all(v.aval.size <= K * 3 < N for e in made for v in e.outvars)


def test_rows_are_scored_where_they_lie():
    """No second copy of the latents; blocks of 1,000 rows leave a rest of 500."""
    rows, dims = 20_500, 128
    latents, mask = jnp.zeros((rows, dims)), jnp.ones(rows, bool)
    values = mixture([0.5, 0.5, 0.0], np.zeros((3, dims)), np.ones((3, dims)))
    lowered = start.complete.lower(jax.random.key(0), values, latents, mask)
    used = lowered.compile().memory_analysis().temp_size_in_bytes
    assert used < latents.nbytes
