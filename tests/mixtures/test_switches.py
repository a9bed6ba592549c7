"""JAX's global switches change no fit, and no run; without jit a run is refused."""

import contextlib
import json
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixture_cases import band64, features, random_start

import gmmal_jax
from gmmal_jax import GaussianMixture, switches
from gmmal_jax.errors import UserError

N, D, K, ITERS = 300, 4, 3, 4
SWITCHES = {
    "x64": lambda: jax.enable_x64(True),
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "bfloat16 products": lambda: jax.default_matmul_precision("bfloat16"),
    "highest products": lambda: jax.default_matmul_precision("highest"),
    "NaN checks": lambda: jax.debug_nans(True),
    "infinity checks": lambda: jax.debug_infs(True),
    "another generator": lambda: jax.default_prng_impl("rbg"),
    "other random bits": lambda: jax.threefry_partitionable(False),
}


def results(rows, start):
    """Numbers of every way to fit, streamed and resident, and to evaluate."""
    found = []
    options = {"num_iters": ITERS, "tolerance": None}
    for first in (start, "kmeans++"):
        for resident_bytes in (None, 0):
            given = {"start": first, "seed": 3, "resident_bytes": resident_bytes}
            fit = gmmal_jax.fit_mixture(rows, K, **given, **options)
            found += [*fit.mixture, fit.log_likelihood]
            sharded = gmmal_jax.fit_sharded(rows, K, shard_size=100, **given, **options)
            found += [*sharded.mixture, sharded.shards.log_likelihood]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(K, max_iter=ITERS, random_state=0).fit(rows)
        narrow = np.where(np.arange(N) % 2, 1e5, 0.0)[:, None] + np.asarray(rows)
        far = GaussianMixture(2, variance_floor=1e-12, random_state=0).fit(narrow)
    assert far.health_.precision == "float64"
    for one, where in ((model, np.asarray(rows)), (far, narrow)):
        found += [one.score_samples(where), one.predict_proba(where)]
    return found


@pytest.fixture(scope="module")
def plain():
    rows, _ = features("dead", N, D, K)
    start = random_start(rows, K)
    return rows, start, results(rows, start)


@pytest.mark.parametrize("switch", SWITCHES)
def test_fits_are_the_same_with_every_switch(switch, plain):
    rows, start, expected = plain
    with SWITCHES[switch]():
        found = results(rows, start)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == np.float64


@pytest.mark.parametrize("size", [1e30, 1e38, 1e-30])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_size_makes_a_number_that_is_none(size, dtype):
    """Where one comes up on the way, JAX's check ends a person's process."""
    rows, _ = features("dead", N, D, K)
    options = {"num_iters": ITERS, "seed": 1}
    expected = gmmal_jax.fit_mixture(rows.astype(dtype), K, **options)
    with jax.debug_nans(True), jax.debug_infs(True):
        large = (rows * (size / np.abs(rows).max())).astype(dtype)
        found = gmmal_jax.fit_mixture(large, K, **options)
    np.testing.assert_allclose(found.mixture.weights, expected.mixture.weights, 1e-4)


@pytest.mark.parametrize("dtype", ["float64", "int64", "float32", "int32"])
def test_arrays_of_x64_are_as_good_as_numpys(dtype):
    rows = np.round(100 * features("plain", N, D, K)[0]).astype(dtype)
    options = {"num_iters": ITERS, "seed": 1}
    expected = gmmal_jax.fit_mixture(rows, K, **options)
    with jax.enable_x64(True):
        placed = jnp.asarray(rows)
        assert placed.dtype == dtype
        found = gmmal_jax.fit_mixture(placed, K, **options)
    np.testing.assert_array_equal(found.mixture.means, expected.mixture.means)


def test_the_switches_of_the_caller_are_as_they_were():
    rows, _ = features("plain", N, D, K)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"):
        gmmal_jax.fit_mixture(rows, K, num_iters=2)
        assert jnp.zeros(1).dtype == np.float64
        with pytest.raises(Exception, match="promotion"):
            jnp.zeros(1, np.float32) + jnp.zeros(1, np.int32)


def test_fits_without_jit_stay_in_the_band():
    rows, _ = features("plain", 60, D, 2)
    start = random_start(rows, 2)
    options = {"start": start, "num_iters": 3, "tolerance": None}
    with jax.disable_jit():
        resident = gmmal_jax.fit_mixture(rows, 2, **options)
        streamed = gmmal_jax.fit_mixture(rows, 2, resident_bytes=0, **options)
        gmmal_jax.fit_sharded(rows, 2, shard_size=30, **options)
    for fit in (resident, streamed):
        band64(rows, start, 3).holds(fit.mixture, fit.log_likelihood)


def test_a_run_without_jit_is_refused_in_a_line(tmp_path):
    with jax.disable_jit(), pytest.raises(UserError) as error:
        gmmal_jax.run(gmmal_jax.preset("digits"), tmp_path / "run")
    assert str(error.value).startswith("JAX_DISABLE_JIT: True; ")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
    switches.require_jit()


def settings(query):
    return gmmal_jax.replace(
        gmmal_jax.preset("digits"),
        **{
            "query": query, "learn": "ce" if query == "entropy" else "reg_da",
            "cycles": 2, "train.steps": 2, "train.chunk_steps": 2,
            "train.batch_size": 10, "reg.subset_size": 20, "da.steps": 2,
            "da.refit_every": 2, "da.batch_size": 10, "da.hidden": (16,),
            "gmm.em_iters": 2, "data.class_cap": 40, "width": 2, "reference": "none",
        },
    )  # fmt: skip


def tables(folder):
    """The tables of a run, less its clock."""
    names = ("results.csv", "queries.csv", "diagnostics.csv", "initial.csv")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("query", ["gmm", "entropy"])
def test_runs_are_the_same_with_every_switch(query, tmp_path):
    config = settings(query)
    gmmal_jax.run(config, tmp_path / "plain", num_devices=1)
    expected = tables(tmp_path / "plain")
    with contextlib.ExitStack() as stack:
        for name in ("x64", "strict promotion", "bfloat16 products", "NaN checks",
                     "another generator", "other random bits"):  # fmt: skip
            stack.enter_context(SWITCHES[name]())
        gmmal_jax.run(config, tmp_path / "switched", num_devices=1)
    assert tables(tmp_path / "switched") == expected
    kept = json.loads((tmp_path / "switched" / "config.json").read_text())
    assert (
        kept["label"]
        == json.loads((tmp_path / "plain" / "config.json").read_text())["label"]
    )
