"""Bad arguments are refused in one line that has the caller's own names."""

import re
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gmmal_jax
from gmmal_jax import GaussianMixture
from gmmal_jax.mixtures import api
from gmmal_jax.types import Mixture

N, D, K = 40, 3, 2
ROWS = np.random.default_rng(0).normal(size=(N, D))
START = Mixture(np.full(K, 0.5), ROWS[:K], np.ones((K, D)))


class Quantity(np.ndarray):
    """An array with a unit, as astropy and pint have them."""


def masked(values):
    return np.ma.MaskedArray(
        values, mask=np.arange(np.size(values)).reshape(np.shape(values)) == 1
    )


class Sparse:
    """What scipy's sparse matrices answer."""

    shape = (N, D)

    def toarray(self):
        return ROWS


# As a caller has them: the tests' checks of types come before our own.
FUNCTIONS = [unwrap(fit) for fit in (gmmal_jax.fit_mixture, gmmal_jax.fit_sharded)]
KMEANSPP = unwrap(api.kmeanspp)
BAD_ARGUMENTS = [
    ({"num_components": 0}, "num_components must be a whole number of at least 1"),
    ({"num_components": 2.0}, "num_components must be a whole number"),
    ({"num_components": True}, "num_components must be a whole number"),
    ({"num_components": "3"}, "num_components must be a whole number"),
    ({"num_iters": 0}, "num_iters must be"),
    ({"num_iters": 1.5}, "num_iters must be"),
    ({"tolerance": -1e-3}, "tolerance must be a number of at least 0, not -0.001"),
    ({"tolerance": np.nan}, "tolerance must be a number of at least 0, not nan"),
    ({"tolerance": "small"}, "tolerance must be"),
    ({"variance_floor": 0}, "variance_floor must be a number above 0, not 0"),
    ({"variance_floor": np.inf}, "variance_floor must be"),
    ({"covariance": "full"}, "covariance must be one of .* not 'full'"),
    ({"covariance": ["diag"]}, "covariance must be one of"),
    ({"seed": -1}, "seed must be a whole number of at least 0, or a key, not -1"),
    ({"seed": 0.5}, "seed must be"),
    ({"seed": "x"}, "seed must be"),
    ({"seed": None}, "seed must be"),
    ({"resident_bytes": -1}, "resident_bytes must be"),
    ({"mask": np.ones(N)}, "mask must be 40 booleans, not float64"),
    ({"mask": masked(np.ones(N, bool))}, "mask is a masked array"),
    ({"start": "random"}, "start must be 'kmeans\\+\\+' or a mixture .* not 'random'"),
    ({"start": None}, "start must be .* not 'NoneType'"),
    ({"start": START[:2]}, "start must be"),
]  # fmt: skip


@pytest.mark.parametrize("fit", FUNCTIONS)
@pytest.mark.parametrize(("change", "message"), BAD_ARGUMENTS)
def test_functions_name_their_arguments(fit, change, message):
    with pytest.raises(ValueError, match=message) as error:
        fit(**{"latents": ROWS, "num_components": K} | change)
    assert "\n" not in str(error.value)


BAD_ROWS = {
    "masked": (masked(ROWS), "is a masked array"),
    "with a unit": (ROWS.view(Quantity), "is a Quantity, whose meaning"),
    "sparse": (Sparse(), "is sparse; give .*toarray"),
    "complex": (ROWS + 1j, "must be real numbers, not complex128"),
    "text": (np.array([["a", "b"]]), "must be real numbers"),
    "dates": (np.array([["2026-01-01"]], "M8[D]"), "must be real numbers"),
    "missing": ([[1.0, None]], "must be real numbers, not objects"),
    "ragged": ([[1.0, 2.0], [3.0]], "is no array of numbers"),
    "a vector": (ROWS[0], r"must be \[rows, dimensions\]"),
    "no columns": (ROWS[:, :0], r"must be \[rows, dimensions\]"),
    "nothing finite": (np.full((4, 2), np.nan), "no row is left"),
}


@pytest.mark.parametrize("fit", [*FUNCTIONS, KMEANSPP])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_functions_refuse_rows_that_are_no_numbers(fit, case):
    rows, message = BAD_ROWS[case]
    with pytest.raises(ValueError, match=message) as error:
        fit(rows, K)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "case", ["masked", "with a unit", "sparse", "complex", "ragged"]
)
def test_the_estimator_refuses_them_too(case):
    rows = BAD_ROWS[case][0]
    model = GaussianMixture(K, random_state=0).fit(ROWS)
    for method in (model.predict, model.predict_proba, model.score_samples, model.fit):
        with pytest.raises((ValueError, TypeError)):
            method(rows)


def test_matrices_and_memory_maps_are_plain(tmp_path):
    expected = gmmal_jax.fit_mixture(ROWS, K).mixture.means
    np.save(tmp_path / "rows.npy", ROWS)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    for rows in (np.asmatrix(ROWS), mapped, ROWS.tolist(), np.asfortranarray(ROWS)):
        found = gmmal_jax.fit_mixture(rows, K).mixture.means
        # The mean of columns is summed in the order in which they lie.
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isfinite(gmmal_jax.fit_mixture(ROWS > 0, K).mixture.means).all()


BAD_STARTS = [
    ({"weights": np.full(K, 0.4)}, "start's weights must add up to 1, not 0.8"),
    ({"weights": np.array([1.5, -0.5])}, "must not be negative"),
    ({"weights": np.full((K, 1), 0.5)}, "start must be of"),
    ({"weights": np.array([np.nan, 1.0])}, "start must be finite"),
    ({"means": ROWS[: K + 1]}, "start must be of"),
    ({"means": ROWS[:K] * np.inf}, "start must be finite"),
    ({"means": masked(ROWS[:K])}, "start's means is a masked array"),
    ({"means": ROWS[:K].astype(str)}, "start's means must be real numbers"),
    ({"variances": np.ones(K)}, "start must be of"),
    ({"variances": -np.ones((K, D))}, "must not be negative"),
]


@pytest.mark.parametrize(("change", "message"), BAD_STARTS)
def test_starts_that_are_none_are_refused(change, message):
    for fit in FUNCTIONS:
        with pytest.raises(ValueError, match=message):
            fit(ROWS, K, start=START._replace(**change))


def test_a_fit_is_a_start():
    first = gmmal_jax.fit_mixture(ROWS, K, num_iters=2, tolerance=None)
    again = gmmal_jax.fit_mixture(ROWS, K, start=first.mixture, num_iters=1)
    assert again.log_likelihood[0] >= first.log_likelihood[-1]
    assert FUNCTIONS[1](ROWS, K, start=tuple(first.mixture)).live == K


@pytest.mark.parametrize(
    "seed", [7, np.int64(7), np.uint8(7), jnp.asarray(7), 7 + 2**32]
)
def test_seeds_are_numbers_of_any_kind_or_keys(seed):
    expected = KMEANSPP(ROWS, K, seed=jax.random.key(7)).means
    np.testing.assert_array_equal(KMEANSPP(ROWS, K, seed=seed).means, expected)


BAD_PARAMETERS = [
    ({"n_components": 0}, "n_components must be a whole number of at least 1, not 0"),
    ({"n_components": 1.5}, "n_components must be a whole number"),
    ({"n_components": N + 1}, "n_components = 41, n_samples = 40"),
    ({"max_iter": 0}, "max_iter must be a whole number of at least 1, not 0"),
    ({"max_iter": "many"}, "max_iter must be"),
    ({"tol": -1.0}, "tol must be a number of at least 0, not -1.0"),
    ({"tol": np.nan}, "tol must be"),
    ({"n_init": 0}, "n_init must be"),
    ({"covariance_type": "tied"}, "covariance_type must be one of .* not 'tied'"),
    ({"variance_floor": -1}, "variance_floor must be"),
    ({"random_state": "x"}, "cannot be used to seed"),
    ({"weights_init": [0.5, 0.4]}, "weights_init must add up to 1, not 0.9"),
    ({"weights_init": [1.5, -0.5]}, "weights_init must not be negative"),
    ({"weights_init": [1.0]}, "'weights_init' should have the shape of (2,)"),
    ({"means_init": np.ones((K, D + 1))}, "'means_init' should have the shape of (2"),
    ({"means_init": np.full((K, D), np.nan)}, "means_init must be finite"),
    ({"means_init": masked(ROWS[:K])}, "means_init is a masked array"),
    ({"precisions_init": np.ones(K)}, "'precisions_init' should have the shape of"),
    ({"precisions_init": np.ones((K, D)), "covariance_type": "spherical"},
     "'precisions_init' should have the shape of"),
    ({"precisions_init": np.zeros((K, D))}, "precisions_init must be positive"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD_PARAMETERS)
def test_the_estimator_names_its_parameters(change, message):
    message = message if "*" in message else re.escape(message)
    with pytest.raises(ValueError, match=message) as error:
        GaussianMixture(**{"n_components": K} | change).fit(ROWS)
    assert "\n" not in str(error.value)
