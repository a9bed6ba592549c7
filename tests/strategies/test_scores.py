import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from rounding import HALF_ULP, SAFETY, sums_of
from scipy import special

from gmmal_jax.strategies import scores
from gmmal_jax.testing.strategies import view

ALL = [scores.entropy, scores.margin, scores.least_confidence]
LOGITS = hnp.arrays(np.float32, (5, 4), elements=st.floats(-30, 30, width=32))


def test_known_answers():
    with np.errstate(divide="ignore"):
        logits = np.log(np.float32([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3]]))
    np.testing.assert_allclose(scores.entropy(logits), [0.6931, 1.0889], atol=1e-4)
    np.testing.assert_allclose(scores.margin(logits), [1.0, 0.9], rtol=1e-6)
    np.testing.assert_allclose(scores.least_confidence(logits), [0.5, 0.6], rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(LOGITS)
def test_equals_float64(logits):
    log_p = special.log_softmax(logits.astype(np.float64), axis=1)
    p = np.sort(np.exp(log_p), axis=1)
    entropy = special.entr(np.exp(log_p)).sum(axis=1)
    # A probability is as much off, relatively, as its logarithm is, absolutely: by
    # roundings of the logits, of up to 60 nats between them, and of log(1 + rest).
    rtol = SAFETY * HALF_ULP * (60 + 4)
    np.testing.assert_allclose(scores.entropy(logits), entropy, rtol=rtol, atol=1e-12)
    expected = p[:, :-1].sum(axis=1)
    found = scores.least_confidence(logits)
    np.testing.assert_allclose(found, expected, rtol=rtol)
    np.testing.assert_allclose(scores.margin(logits), expected + p[:, -2], rtol=rtol)


@pytest.mark.parametrize("score", ALL)
def test_orders_rows_that_float32_calls_certain(score):
    logits = np.float32([[0, -80, -85], [0, -40, -45], [0, -20, -25]])
    found = np.asarray(score(logits))
    assert np.all(np.diff(found) > 0) and found[0] > 0


@pytest.mark.parametrize("score", ALL)
def test_large_logits_and_half_precision(score):
    large = np.asarray(score(np.float32([[3e38, -3e38, 0], [1e4, 1e4, 1e4]])))
    assert np.all(np.isfinite(large)) and large[0] == 0
    half = jnp.asarray([[1.0, 0.5, 0.25]], jnp.bfloat16)
    assert score(half).dtype == jnp.float32
    np.testing.assert_array_equal(score(half), score(half.astype(jnp.float32)))


def test_likelihood_ratio_of_two_unit_gaussians():
    z = np.float32([-1, 0, 1.5, 4])

    def log_density(mean):
        return -0.5 * (z - mean) ** 2 - 0.5 * np.log(2 * np.pi).astype(np.float32)

    found = scores.likelihood_ratio(log_density(3), log_density(0))
    sizes = np.abs(log_density(3)) + np.abs(log_density(0))
    assert (np.abs(found - (3 * np.float64(z) - 4.5)) <= sums_of(4) * sizes).all()


def test_mutual_information_of_members_that_contradict_one_another():
    logits = jnp.array([[[200.0, 0], [1, 2]], [[0.0, 200], [1, 2]]])
    found = scores.mutual_information(lambda i: logits[i], 2)
    np.testing.assert_allclose(found, [np.log(2), 0], atol=1e-6)


def test_mutual_information_against_float64():
    logits = np.random.default_rng(0).uniform(-8, 8, (7, 40, 5)).astype(np.float32)
    probs = special.softmax(logits.astype(np.float64), axis=-1)
    entropies = special.entr(probs).sum(axis=-1)
    expected = special.entr(probs.mean(axis=0)).sum(axis=-1) - entropies.mean(axis=0)
    found = scores.mutual_information(lambda i: jnp.asarray(logits)[i], 7)
    # Log-probabilities of up to 16 nats are off by their last place and so, relatively,
    # are probabilities and the terms of two entropies below log 5.
    bound = SAFETY * 2 * 16 * HALF_ULP * np.log(5)
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    assert (np.asarray(found) >= 0).all()


def test_dropout_loses_its_share_and_scales_the_rest():
    pool = view()
    latents = np.full((30, 4), 3.0, np.float32)
    identity = (np.eye(4, dtype=np.float32), np.float32([0, 0, 0, 1]))
    pool = pool._replace(columns={"latents": latents}, head=identity)
    draws = [
        scores.dropout_logits(jax.random.key(seed), pool, 0.75) for seed in range(20)
    ]
    values = np.stack(draws) - identity[1]
    assert set(np.unique(values)) == {0, 12}  # 3 / (1 - 0.75)
    share = (values == 0).mean()
    assert abs(share - 0.75) < 4 * np.sqrt(0.75 * 0.25 / values.size)
    assert len({draw.tobytes() for draw in values.reshape(-1, 4)}) > 10
