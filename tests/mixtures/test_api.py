"""The fits for everyone: any array, streamed as resident, clear errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixture_cases import (
    KINDS,
    assert_finite,
    band64,
    clear_tolerance,
    features,
    log_likelihood64,
    random_start,
    relative,
)
from rounding import HALF_ULP, SAFETY, sums_of

import gmmal_jax
from gmmal_jax.mixtures import api, em, layout

N, D, K = 600, 40, 5


def problem(kind="plain", seed=0):
    latents, _ = features(kind, N, D, K, seed)
    return latents, random_start(latents, K)


def exactly(num_iters):
    return {"num_iters": num_iters, "tolerance": None}


@pytest.mark.parametrize("kind", KINDS)
def test_exact_fit_agrees_with_float64(kind):
    latents, start = problem(kind)
    fit = gmmal_jax.fit_mixture(latents, K, start=start, **exactly(10))
    band64(latents, start, 10).holds(fit.mixture, fit.log_likelihood)
    assert fit.iterations == 10 and not fit.converged and fit.shards is None
    assert fit.live == K and fit.rows_dropped == 0 and fit.rho < 500


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(layout, "chunk_rows", lambda dims: 128)


@pytest.mark.parametrize("kind", KINDS)
def test_streamed_agrees_with_resident(kind, small_chunks):
    latents, start = problem(kind)
    mask = np.arange(N) % 7 > 0
    latents[5] = np.nan
    options = {"start": start, "mask": mask, **exactly(6)}
    resident = gmmal_jax.fit_mixture(latents, K, **options)
    streamed = gmmal_jax.fit_mixture(latents, K, resident_bytes=0, **options)
    band = band64(latents[mask & (np.arange(N) != 5)], start, 6)
    band.holds(resident.mixture, resident.log_likelihood)
    band.holds(streamed.mixture, streamed.log_likelihood)
    assert streamed.rows_dropped == resident.rows_dropped == 1
    assert streamed.live == resident.live == K


def test_streaming_stops_where_the_resident_fit_does(small_chunks):
    latents, start = problem()
    tolerance, wanted = clear_tolerance(band64(latents, start, 30))
    options = {"start": start, "tolerance": tolerance}
    resident = gmmal_jax.fit_mixture(latents, K, **options)
    streamed = gmmal_jax.fit_mixture(latents, K, resident_bytes=0, **options)
    assert resident.converged and streamed.converged
    assert streamed.iterations == resident.iterations == wanted < 100
    assert len(streamed.log_likelihood) == len(resident.log_likelihood)
    assert resident.log_likelihood.shape == (resident.iterations,)


def test_memory_map_is_never_held_whole(tmp_path, small_chunks, monkeypatch):
    latents, start = problem()
    np.save(tmp_path / "latents.npy", latents)
    mapped = np.load(tmp_path / "latents.npy", mmap_mode="r")
    seen, original = [], jnp.asarray
    monkeypatch.setattr(
        jnp, "asarray", lambda x, *rest: seen.append(np.shape(x)) or original(x, *rest)
    )
    for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded):
        seen.clear()
        sharded = {"shard_size": 100} if fit is gmmal_jax.fit_sharded else {}
        fit(mapped, K, start=start, num_iters=2, resident_bytes=0, **sharded)
        assert (128, D) in seen or (sharded and (100, D) in seen)
        assert all(shape[:1] < (N,) for shape in seen if len(shape) == 2)
    monkeypatch.undo()


@pytest.mark.parametrize("cast", [jnp.asarray, np.float64, lambda x: x.tolist()])
def test_any_array_will_do(cast):
    latents, start = problem()
    expected = gmmal_jax.fit_mixture(latents, K, start=start, **exactly(2))
    fit = gmmal_jax.fit_mixture(cast(latents), K, start=start, **exactly(2))
    if cast is jnp.asarray:
        for a, b in zip(fit.mixture, expected.mixture, strict=True):
            np.testing.assert_array_equal(a, b)
    # Float64 is centred and scaled in float64, so it is rounded elsewhere.
    band64(latents, start, 2).holds(fit.mixture, fit.log_likelihood)


def test_start_depends_on_the_seed_only(small_chunks):
    latents, _ = problem()
    first, again, other, streamed = (
        gmmal_jax.fit_mixture(latents, K, seed=s, resident_bytes=limit, **exactly(2))
        for s, limit in ((1, None), (jax.random.key(1), None), (2, None), (1, 0))
    )
    np.testing.assert_array_equal(first.mixture.means, again.mixture.means)
    assert not np.array_equal(first.mixture.means, other.mixture.means)
    band = band64(latents, api.kmeanspp(latents, K, seed=1), 2)
    band.holds(first.mixture)
    band.holds(streamed.mixture)


def test_sharded_fit_is_close_to_the_exact_one(small_chunks):
    latents, start = problem()
    exact = gmmal_jax.fit_mixture(latents, K, start=start, **exactly(6))
    options = {"shard_size": 200, "start": start, **exactly(6)}
    fit = gmmal_jax.fit_sharded(latents, K, **options)
    streamed = gmmal_jax.fit_sharded(latents, K, resident_bytes=0, **options)
    # Not rounding: what three fits of 200 rows lose against one of 600.
    value = log_likelihood64(latents, exact.mixture).mean()
    assert relative(log_likelihood64(latents, fit.mixture).mean(), value) < 0.1
    assert fit.live == K and fit.iterations == 6
    assert fit.log_likelihood.shape == (6,)
    assert fit.shards.counts.shape == (3, K)
    num_rows = fit.shards.counts.sum(dtype=np.float64)
    np.testing.assert_allclose(num_rows, N, rtol=sums_of(N))
    # How rows are dealt from seed 0.
    key = jax.random.split(jax.random.key(0))[1]
    for s, rows in enumerate(em.to_shards(key, jnp.ones(N, bool), shard_size=200)[0]):
        band = band64(latents[rows], start, 6)
        for shards in (fit.shards, streamed.shards):
            shard = jax.tree.map(lambda x, s=s: x[s], shards.mixtures)
            band.holds(shard, shards.log_likelihood[s])


def test_one_shard_is_the_exact_fit():
    latents, start = problem()
    tolerance, wanted = clear_tolerance(band64(latents, start, 30))
    exact = gmmal_jax.fit_mixture(latents, K, start=start, tolerance=tolerance)
    fit = gmmal_jax.fit_sharded(latents, K, start=start, tolerance=tolerance)
    band = band64(latents, start, wanted)
    for one in (exact, fit):
        assert one.iterations == wanted and one.converged
        band.holds(one.mixture, one.log_likelihood)


def test_sharded_kmeanspp_start_is_finite():
    latents, _ = problem()
    fit = gmmal_jax.fit_sharded(latents, K, shard_size=200, covariance="spherical")
    assert_finite(fit.mixture)
    # Each column goes through the same sums, if perhaps not in the same order.
    one, other = fit.mixture.variances[:, :2].T
    np.testing.assert_allclose(one, other, rtol=SAFETY * HALF_ULP)


BAD = [
    ({"latents": np.zeros(3)}, "rows, dimensions"),
    ({"latents": np.zeros((0, 3))}, "rows, dimensions"),
    ({"latents": np.array([["a", "b"]])}, "real numbers"),
    ({"latents": np.full((20, 3), np.nan)}, "no row is left"),
    ({"num_components": 0}, "num_components"),
    ({"num_iters": 0}, "num_iters"),
    ({"tolerance": -1.0}, "tolerance"),
    ({"variance_floor": 0.0}, "variance_floor"),
    ({"mask": np.ones(3, bool)}, "mask"),
    ({"mask": np.zeros(N, bool)}, "mask is false"),
]


@pytest.mark.parametrize("change, message", BAD)
def test_unusable_arguments_raise(change, message):
    latents, _ = problem()
    arguments = {"latents": latents, "num_components": K} | change
    for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded):
        with pytest.raises(ValueError, match=message):
            fit(**arguments)


def test_unusable_starts_raise():
    latents, start = problem()
    with pytest.raises(ValueError, match="start must be of"):
        gmmal_jax.fit_mixture(latents, K + 1, start=start)
    with pytest.raises(ValueError, match="finite"):
        spoilt = start._replace(means=start.means.at[0].set(jnp.nan))
        gmmal_jax.fit_mixture(latents, K, start=spoilt)
    with pytest.raises(ValueError, match="shard_size"):
        gmmal_jax.fit_sharded(latents, K, start=start, shard_size=0)
