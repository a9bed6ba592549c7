"""Densities: known answers, float64 agreement, absent components, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import (
    KINDS,
    em64,
    features,
    log_joint64,
    log_likelihood64,
    mixture,
    random_start,
)

from gmmal_jax.mixtures import gaussian

log_joint = jax.jit(gaussian.log_joint)
log_likelihood = jax.jit(gaussian.log_likelihood)
log_posteriors = jax.jit(gaussian.log_posteriors)
gradient = jax.jit(jax.grad(lambda z, m: gaussian.log_likelihood(z, m).sum()))


def normal(*means):
    k = len(means)
    return mixture(np.full(k, 1 / k), np.array(means)[:, None], np.ones((k, 1)))


def test_standard_normal_at_its_mean():
    standard = mixture([1.0], np.zeros((1, 512)), np.ones((1, 512)))
    value = log_likelihood(jnp.zeros((1, 512)), standard)
    np.testing.assert_allclose(value, -470.4965, atol=1e-3)


def test_class_loss_and_its_gradient():
    def loss(z):
        return -gaussian.log_posteriors(z, normal(0.0, 2.0))[0, 0]

    value, slope = jax.jit(jax.value_and_grad(loss))(jnp.array([[0.5]]))
    np.testing.assert_allclose(value, 0.313262, atol=1e-6)
    np.testing.assert_allclose(slope, [[0.537883]], atol=1e-6)


def test_likelihood_ratio_of_two_normals_is_linear():
    z = jnp.linspace(-2, 5, 8)[:, None]
    ratio = log_likelihood(z, normal(0.0)) - log_likelihood(z, normal(3.0))
    np.testing.assert_allclose(-ratio, 3 * z[:, 0] - 4.5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_float64(kind):
    latents, _ = features(kind, 400, 40, 10)
    fitted, _ = em64(latents, random_start(latents, 10), 5)
    fitted = mixture(*fitted)
    expected = log_likelihood64(latents, fitted)
    error = np.float64(log_likelihood(latents, fitted)) - expected
    assert np.abs(error).max() < 2e-6 * 40
    assert np.abs(error.mean()) < 3e-7 * 40
    np.testing.assert_allclose(
        log_joint(latents, fitted), log_joint64(latents, fitted), rtol=1e-5, atol=1e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_agrees_with_the_formula(kind):
    latents, _ = features(kind, 400, 40, 10)
    fitted = mixture(*em64(latents, random_start(latents, 10), 5)[0])
    joint = log_joint64(latents, fitted)
    gamma = np.exp(joint - log_likelihood64(latents, fitted)[:, None])
    means, variances = np.float64(fitted.means), np.float64(fitted.variances)
    pulls = (means - np.float64(latents)[:, None]) / variances
    expected = (gamma[..., None] * pulls).sum(1)
    scale = (np.abs(pulls) * gamma[..., None]).sum(1).mean(0)
    error = np.abs(gradient(jnp.asarray(latents), fitted) - expected)
    assert (error.max(0) <= 2e-3 * scale + 1e-6).all()


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 0.0)])
def test_absent_components_have_no_influence_and_no_gradient(weights):
    values = normal(0.0, 2.0)._replace(weights=jnp.array(weights))
    z = jnp.array([[0.5], [40.0]])
    joint = log_joint(z, values)
    np.testing.assert_allclose(joint[:, 1], gaussian.ABSENT)
    for function in (gaussian.log_joint, gaussian.log_posteriors):
        absent = jax.jit(jax.grad(lambda z, m, f=function: f(z, m)[:, 1].sum(), (0, 1)))
        for leaf in jax.tree.leaves(absent(z, values)):
            assert np.isfinite(leaf).all()
    np.testing.assert_allclose(gradient(z, values), -z * weights[0], rtol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_posteriors_sum_to_one(seed):
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=(4, 3)) * 3)
    weights = rng.dirichlet(np.ones(4)) * (rng.random(4) < 0.8)
    values = mixture(weights, rng.normal(size=(4, 3)) * 5, scale)
    posteriors = log_posteriors(
        jnp.asarray(rng.normal(size=(6, 3)) * 9, jnp.float32), values
    )
    assert (posteriors <= 1e-6).all()
    if weights.any():
        np.testing.assert_allclose(np.exp(posteriors).sum(1), 1, atol=1e-5)
    assert np.isfinite(posteriors).all()


def test_stray_component_does_not_move_the_centre_off_the_data():
    means = jnp.array([[0.0, 0.0], [1.0, 1.0], [1e6, 0.0]])
    values = mixture([0.5, 0.5, 1e-3], means, np.ones((3, 2)))
    centre = gaussian.precision_centre(values, jnp.array([0.5, 0.5]), jnp.ones(2))
    np.testing.assert_allclose(centre, [3.5, 0.5], atol=2e-2)
