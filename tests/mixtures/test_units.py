"""Columns in a person's own units: right, refused, or a warning; never in silence."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from examples import examples
from hypothesis import given, strategies as st
from mixture_cases import band64, log_likelihood64

import gmmal_jax
from gmmal_jax.errors import PrecisionWarning
from gmmal_jax.mixtures import api
from gmmal_jax.mixtures.sklearn import GaussianMixture
from gmmal_jax.types import Mixture

N = 600
GROUP = np.arange(N) % 2


def accuracy(found):
    return max(np.mean(found == GROUP), np.mean(found != GROUP))


def two_groups(wide, width, narrow_width, centre=0.0, seed=0):
    """A wide column that says nothing, and a narrow one with two groups."""
    rng = np.random.default_rng(seed)
    noise = centre + wide * rng.normal(size=N)
    groups = 20 * narrow_width * GROUP + narrow_width * rng.normal(size=N) + width
    return np.stack([noise, groups], axis=1)


UNITS = {
    "dollars beside shares": (15_000.0, 0.2, 0.02, 40_000.0),
    "kilometres beside picofarads": (1e3, 0.0, 1e-12, 0.0),
    "counts beside a rate": (1e9, 1e-5, 1e-7, 1e10),
    "tiny beside huge": (1e-15, 1e9, 1e6, 0.0),
}


@pytest.mark.parametrize("case", UNITS)
@pytest.mark.parametrize("cast", [np.float64, np.float32, jnp.asarray])
def test_a_narrow_column_counts_as_much_as_a_wide_one(case, cast):
    wide, width, narrow, centre = UNITS[case]
    rows = cast(two_groups(wide, width, narrow, centre))
    model = GaussianMixture(2, n_init=3, random_state=0).fit(np.asarray(rows))
    assert accuracy(model.predict(np.asarray(rows))) == 1.0
    assert model.converged_
    fit = gmmal_jax.fit_mixture(rows, 2, seed=0)
    true = np.float64(rows)[GROUP == 0, 1].var()
    assert fit.mixture.variances[:, 1].min() == pytest.approx(true, rel=0.2)


def peer_at(model, rows):
    """scikit-learn's mixture of the same parameters: their score in float64."""
    return log_likelihood64(rows, (model.weights_, model.means_, model.covariances_))


OFFSETS = {  # offset, std
    "1e8": (1e8, 1.0),
    "survey coordinates": (6e6, 0.05),
    "nanoseconds": (1.7e18, 1e9),
    "negative": (-3e10, 1e-3),
}


@pytest.mark.parametrize("case", OFFSETS)
@pytest.mark.parametrize("resident_bytes", [None, 0])
def test_what_a_cast_would_lose_is_kept(case, resident_bytes):
    offset, std = OFFSETS[case]
    rows = offset + std * np.random.default_rng(0).normal(size=(N, 3))
    for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded):
        found = fit(rows, 1, resident_bytes=resident_bytes)
        mean = offset + (rows - offset).mean(0)  # no sum of large numbers
        offsets = found.mixture.means[0] - mean
        assert np.abs(offsets).max() < 1e-5 * std + 4 * np.spacing(abs(offset))
        spread = found.mixture.variances[0] / (rows - offset).var(0)
        np.testing.assert_allclose(spread, 1, rtol=1e-5)
        assert found.mixture.means.dtype == np.float64
    model = GaussianMixture(1).fit(rows)
    true = peer_at(model, rows)
    np.testing.assert_allclose(model.score_samples(rows), true, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "offset", "std"),
    [(np.float32, 1e8, 20.0), (np.float64, 1e17, 20.0), (np.float16, 1000.0, 0.4),
     (np.float64, 3e5, 1e-11)],
)  # fmt: skip
def test_rows_that_their_own_precision_blurs_are_named(dtype, offset, std):
    rng = np.random.default_rng(0)
    clear = rng.normal(size=N)
    rows = np.stack([clear, offset + std * rng.normal(size=N)], axis=1).astype(dtype)
    for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded):
        with pytest.warns(PrecisionWarning, match="latents: column 1 varies by hardly"):
            found = fit(rows, 2, num_iters=3)
        assert found.health.blurred.tolist() == [False, True]
    if dtype != np.float16:
        with pytest.warns(PrecisionWarning, match="X: column 1 varies by hardly"):
            GaussianMixture(1).fit(rows)


@pytest.mark.parametrize("constant", [0.0, 3.7, 0.1, 1e8, -1e-9, 1e30])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_constant_column_changes_nothing_and_is_nothing_to_warn_of(constant, dtype):
    rng = np.random.default_rng(0)
    rows = (10.0 * GROUP[:, None] + rng.normal(size=(N, 2))).astype(dtype)
    wider = np.column_stack([rows, np.full(N, constant, dtype)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", PrecisionWarning)
        plain = gmmal_jax.fit_mixture(rows, 2, seed=3)
        found = gmmal_jax.fit_mixture(wider, 2, seed=3)
    for one, other in zip(found.mixture[1:], plain.mixture[1:], strict=True):
        np.testing.assert_allclose(one[:, :2], other, rtol=1e-5, atol=1e-5)
    assert found.mixture.means[:, 2].tolist() == [np.float64(dtype(constant))] * 2
    size = np.float64(dtype(constant)) ** 2 or 1.0
    np.testing.assert_allclose(found.mixture.variances[:, 2], 1e-4 * size, rtol=1e-5)


@pytest.mark.parametrize("size", [1e18, 1e30, 1e37, 1e60, 1e140, 1e-30, 1e-60, 1e-140])
def test_numbers_beyond_float32_are_fitted_and_predicted(size):
    rng = np.random.default_rng(0)
    rows = size * (GROUP[:, None] + 0.1 * rng.normal(size=(N, 2)))
    model = GaussianMixture(2, random_state=0).fit(rows)
    assert accuracy(model.predict(rows)) == 1.0
    assert (
        np.isfinite(model.score(rows)) and np.isfinite(model.predict_proba(rows)).all()
    )
    plain = GaussianMixture(2, random_state=0).fit(rows / size)
    assert model.score(rows) + 2 * np.log(size) == pytest.approx(
        plain.score(rows / size), abs=1e-4
    )


@pytest.mark.parametrize("size", [1e160, 1e300, 1e-160, 1e-300])
def test_a_range_whose_square_is_no_float64_is_refused(size):
    rows = np.random.default_rng(0).normal(size=(50, 2)) * [1, size]
    for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded):
        with pytest.raises(ValueError, match="latents: column 1 reaches from .*divide"):
            fit(rows, 2)
    with pytest.raises(ValueError, match="X: column 1 reaches from"):
        GaussianMixture(2).fit(rows)


@pytest.mark.parametrize("far", [1e3, 1e10, 1e30, 1e200, 1e308])
def test_far_rows_have_a_component_and_a_finite_score(far):
    rng = np.random.default_rng(0)
    rows = 10.0 * GROUP[:, None] + rng.normal(size=(N, 2))
    model = GaussianMixture(2, random_state=0).fit(rows)
    there = np.array([[far, far], [-far, far], [far, 0.0]])
    score = model.score_samples(there)
    assert np.isfinite(score).all() and (score < -1e4).all()
    shares = model.predict_proba(there)
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares.sum(1), 1)
    if far < 1e100:
        np.testing.assert_allclose(score, peer_at(model, there), rtol=1e-12)


APART = {  # distance of groups of std 1, floor
    "1e4": (1e4, 1e-12),
    "1e5": (1e5, 1e-12),
    "1e6, in one of three columns": (1e6, 1e-14),
}


@pytest.mark.parametrize("case", APART)
@pytest.mark.parametrize("covariance", ["diag", "spherical"])
def test_groups_far_apart_for_their_width_are_evaluated_exactly(case, covariance):
    distance, floor = APART[case]
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, 3))
    rows[:, : 1 if "three" in case else 3] += distance * GROUP[:, None]
    options = {"covariance_type": covariance, "means_init": rows[:2], "tol": 1e-9}
    model = GaussianMixture(2, variance_floor=floor, **options).fit(rows)
    inner = np.stack([rows[GROUP == g].var(0) for g in (0, 1)])
    if covariance == "spherical":
        inner = np.repeat(inner.mean(1, keepdims=True), 3, axis=1)
    means = np.stack([rows[GROUP == g].mean(0) for g in (0, 1)])
    true = log_likelihood64(rows, (np.full(2, 0.5), means, inner)).mean()
    assert model.score(rows) == pytest.approx(true, abs=1e-5)
    assert model.health_.precision == "float64" and model.health_.rho > 500
    assert not model.health_.floored.any()
    start = Mixture(np.full(2, 0.5), rows[:2], np.tile(rows.var(0), (2, 1)))
    fit = gmmal_jax.fit_sharded(
        rows, 2, shard_size=200, start=start, variance_floor=floor,
        covariance=covariance,
    )  # fmt: skip
    assert fit.health.precision == "float64"
    assert fit.log_likelihood[-1] == pytest.approx(true, abs=0.1)
    np.testing.assert_allclose(fit.mixture.variances, 1, rtol=0.2)


def test_plain_groups_are_fitted_in_float32():
    rows = 10.0 * GROUP[:, None] + np.random.default_rng(0).normal(size=(N, 2))
    assert gmmal_jax.fit_mixture(rows, 2).health.precision == "float32"


@pytest.mark.parametrize("sharded", [False, True])
def test_a_floor_that_is_everybodys_variance_is_named(sharded):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N, 3))
    rows[:, 1] += 1e4 * GROUP
    fit = gmmal_jax.fit_sharded if sharded else gmmal_jax.fit_mixture
    start = Mixture(np.full(2, 0.5), rows[:2], np.tile(rows.var(0), (2, 1)))
    with pytest.warns(PrecisionWarning, match="column 1 varies less within components"):
        found = fit(rows, 2, start=start)
    assert found.health.floored.tolist() == [False, True, False]
    if not sharded:
        with pytest.warns(
            PrecisionWarning, match="X: column 1 .* variance_floor=0.0001"
        ):
            GaussianMixture(2, means_init=rows[:2]).fit(rows)


def test_what_float64_cannot_tell_apart_either_is_named():
    rng = np.random.default_rng(0)
    rows = 1e12 * GROUP[:, None] + rng.normal(size=(N, 2))
    with pytest.warns(PrecisionWarning, match="too far apart for their width"):
        gmmal_jax.fit_mixture(rows, 2, variance_floor=1e-30)


# --- Properties: what a change of the rows must and must not change. ---

ROWS, DIMS, K, ITERS = 90, 3, 2, 4


def problem(seed):
    rng = np.random.default_rng(seed)
    which = rng.integers(0, K, ROWS)
    rows = rng.normal(size=(K, DIMS))[which] * 3 + rng.normal(size=(ROWS, DIMS))
    means = rows[rng.choice(ROWS, K, replace=False)]
    return rows, Mixture(np.full(K, 1 / K), means, np.tile(rows.var(0), (K, 1)))


def fitted(rows, start, covariance="diag"):
    return gmmal_jax.fit_mixture(
        rows, K, start=start, num_iters=ITERS, tolerance=None, covariance=covariance
    )


def moved(mixture, scale=1.0, offset=0.0):
    weights, means, variances = map(np.asarray, mixture)
    return Mixture(weights, means * scale + offset, variances * np.square(scale))


SEEDS = st.integers(0, 2**20)
EXPONENTS = st.lists(st.integers(-40, 40), min_size=DIMS, max_size=DIMS)
FACTORS = st.lists(
    st.floats(-12, 12).map(lambda e: 10.0**e), min_size=DIMS, max_size=DIMS
)


@examples(60)
@given(SEEDS, EXPONENTS, st.sampled_from([np.float64, np.float32]), st.booleans())
def test_powers_of_two_change_nothing_but_the_units(seed, exponents, dtype, drawn):
    rows, start = problem(seed)
    scale = np.ldexp(1.0, exponents)
    rows = rows.astype(dtype)
    first, second = start, moved(start, scale)
    if drawn:
        first = api.kmeanspp(rows, K, seed=seed)
        second = api.kmeanspp((rows * scale).astype(dtype), K, seed=seed)
    plain = fitted(rows, first)
    found = fitted((rows * scale).astype(dtype), second)
    for one, other in zip(found.mixture, moved(plain.mixture, scale), strict=True):
        np.testing.assert_array_equal(one, other)
    nats = plain.log_likelihood - np.log(scale).sum()
    np.testing.assert_allclose(found.log_likelihood, nats, rtol=1e-12, atol=1e-12)


@examples(30)
@given(SEEDS, FACTORS, st.booleans())
def test_units_change_nothing_but_the_units(seed, factors, spherical):
    rows, start = problem(seed)
    covariance = "spherical" if spherical else "diag"
    scale = np.array(factors[:1] * DIMS if spherical else factors)
    found = fitted(rows * scale, moved(start, scale), covariance)
    band = band64(rows, start, ITERS, covariance=covariance)
    nats = found.log_likelihood + np.log(scale).sum()
    band.holds(moved(found.mixture, 1 / scale), nats)


@examples(30)
@given(SEEDS, st.lists(st.floats(-1e7, 1e7), min_size=DIMS, max_size=DIMS))
def test_offsets_move_the_means_alone(seed, offsets):
    rows, start = problem(seed)
    there = rows + np.array(offsets)
    rows = there - np.array(offsets)  # what rounding has left of them
    found = fitted(there, moved(start, 1.0, np.array(offsets)))
    band = band64(rows, start, ITERS)
    band.holds(moved(found.mixture, 1.0, -np.array(offsets)), found.log_likelihood)


@examples(30)
@given(SEEDS)
def test_the_order_of_rows_does_not_matter(seed):
    rows, start = problem(seed)
    order = np.random.default_rng(seed).permutation(ROWS)
    found = fitted(rows[order], start)
    band64(rows, start, ITERS).holds(found.mixture, found.log_likelihood)


@examples(30)
@given(SEEDS, st.integers(2, 3))
def test_rows_that_come_several_times_weigh_as_much_as_once(seed, times):
    rows, start = problem(seed)
    found = fitted(np.repeat(rows, times, axis=0), start)
    band = band64(rows, start, ITERS, copies=times)
    band.holds(found.mixture, found.log_likelihood)
    masked = gmmal_jax.fit_mixture(
        np.repeat(rows, times, axis=0), K, start=start, num_iters=ITERS,
        tolerance=None, mask=np.arange(ROWS * times) % times == 0,
    )  # fmt: skip
    band64(rows, start, ITERS).holds(masked.mixture, masked.log_likelihood)


def test_jax_arrays_stay_on_their_device():
    rows, start = problem(0)
    with jax.transfer_guard_device_to_host("allow"):
        found = fitted(jnp.asarray(rows, jnp.float32), start)
    assert isinstance(found.mixture.means, np.ndarray)
