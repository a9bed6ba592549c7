"""Densities: known answers, float64 agreement, absent components, gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import (
    KINDS,
    em64,
    evaluation64,
    features,
    log_joint64,
    log_likelihood64,
    mixture,
    random_start,
)
from rounding import HALF_ULP, SAFETY, sums_of

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
    np.testing.assert_allclose(value, -256 * np.log(2 * np.pi), rtol=sums_of(2))


def test_class_loss_and_its_gradient():
    def loss(z):
        return -gaussian.log_posteriors(z, normal(0.0, 2.0))[0, 0]

    value, slope = jax.jit(jax.value_and_grad(loss))(jnp.array([[0.5]]))
    rounding = evaluation64(np.array([[0.5]]), normal(0.0, 2.0)).max()
    np.testing.assert_allclose(value, np.log1p(np.exp(-1)), atol=rounding)  # 0.313262
    # The means' distance times the other's posterior, 0.537883.
    np.testing.assert_allclose(slope, [[2 / (1 + np.e)]], atol=2 * rounding)


def test_likelihood_ratio_of_two_normals_is_linear():
    z = jnp.linspace(-2, 5, 8)[:, None]
    ratio = log_likelihood(z, normal(0.0)) - log_likelihood(z, normal(3.0))
    rounding = sum(evaluation64(z, normal(mean)) for mean in (0.0, 3.0))
    error = np.abs(-ratio - (3 * np.float64(z[:, 0]) - 4.5))
    assert (error <= rounding[:, 0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_float64(kind):
    latents, _ = features(kind, 400, 40, 10)
    fitted, _ = em64(latents, random_start(latents, 10), 5)
    fitted = mixture(*fitted)
    joint, rounding = log_joint64(latents, fitted), evaluation64(latents, fitted)
    expected = log_likelihood64(latents, fitted)
    # The likely components' errors are those of the sum of all.
    gamma = np.exp(joint - expected[:, None])
    error = np.float64(log_likelihood(latents, fitted)) - expected
    own = HALF_ULP * SAFETY * np.abs(expected)
    assert (np.abs(error) <= (gamma * rounding).sum(1) + own).all()
    assert (np.abs(log_joint(latents, fitted) - joint) <= rounding).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_agrees_with_the_formula(kind):
    latents, _ = features(kind, 400, 40, 10)
    fitted = mixture(*em64(latents, random_start(latents, 10), 5)[0])
    joint = log_joint64(latents, fitted)
    gamma = np.exp(joint - log_likelihood64(latents, fitted)[:, None])
    means, variances = np.float64(fitted.means), np.float64(fitted.variances)
    pulls = (means - np.float64(latents)[:, None]) / variances
    expected = (gamma[..., None] * pulls).sum(1)
    # Two products about a centre among the means, summed over components; and what
    # the posteriors owe to the rounding of log-densities.
    sizes = (np.abs(pulls) + np.ptp(means, axis=0) / variances) * gamma[..., None]
    errors = gamma * evaluation64(latents, fitted)
    spread = 2 * (np.abs(pulls) * errors[..., None]).sum(1)
    error = np.abs(gradient(jnp.asarray(latents), fitted) - expected)
    assert (error <= sums_of(2 * 10) * sizes.sum(1) + spread).all()


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
    np.testing.assert_allclose(gradient(z, values), -z * weights[0], rtol=sums_of(4))


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
    # Each p is wrong by HALF_ULP p (1 + |log p|), and p |log p| is below 1/e.
    assert (posteriors <= SAFETY * HALF_ULP).all()
    if weights.any():
        total = np.exp(np.float64(posteriors)).sum(1)
        np.testing.assert_allclose(total, 1, atol=SAFETY * HALF_ULP * (4 + 4 / np.e))
    assert np.isfinite(posteriors).all()


def test_stray_component_does_not_move_the_centre_off_the_data():
    means = jnp.array([[0.0, 0.0], [1.0, 1.0], [1e6, 0.0]])
    values = mixture([0.5, 0.5, 1e-3], means, np.ones((3, 2)))
    centre = gaussian.precision_centre(values, jnp.array([0.5, 0.5]), jnp.ones(2))
    # Three standard deviations from the data's mean; and the two means' average.
    np.testing.assert_allclose(centre, [3.5, 0.5 / 1.001], rtol=sums_of(3))
