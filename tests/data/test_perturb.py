import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.data import perturb


def test_features_far_from_zero_keep_their_digits():
    rng = np.random.default_rng(0)
    rows = (1e4 + rng.normal(size=(50, 3))).astype(np.float32)
    mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    found = perturb.standardize(jnp.asarray(rows), tuple(mean), tuple(std))
    expected = (rows.astype(np.float64) - mean) / std
    # The mean is rounded to float32 once: half a unit of 1e4 there.
    off = np.finfo(np.float32).eps * 1e4 / std
    assert np.all(np.abs(found - expected) <= off + 1e-5)


def test_half_precision_is_widened_before_anything_else():
    rows = jnp.array([[60000.0, 1.0]], jnp.float16)
    found = perturb.standardize(rows, (-60000.0, 1.0), (1.0, 1.0))
    np.testing.assert_array_equal(found, [[120000.0, 0.0]])


def test_dropout_by_hand():
    bits = jnp.array([[0, 2**30 - 1, 2**30, 2**32 - 1]], jnp.uint32)
    found = perturb.drop(bits, jnp.ones((1, 4)), 0.25)
    np.testing.assert_allclose(found, [[0, 0, 4 / 3, 4 / 3]])


def test_dropout_keeps_the_mean():
    bits = jax.random.bits(jax.random.key(0), (1000, 100))
    found = perturb.drop(bits, jnp.ones((1000, 100)), 0.75)
    # 1e5 draws: five standard errors of a share of a quarter.
    assert abs(float(found.mean()) - 1) < 5 * 4 * np.sqrt(0.25 * 0.75 / 1e5)


def test_noise_by_hand():
    found = perturb.blur(jnp.array([[1.0, -2.0]]), jnp.array([[3.0, 3.0]]), 0.5)
    np.testing.assert_array_equal(found, [[3.5, 2.0]])
