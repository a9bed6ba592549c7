"""Realignment and averaging: known distances, permutations, identity, dead parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from mixture_cases import assert_finite, mixture
from rounding import HALF_ULP, SAFETY, sums_of

from gmmal_jax.mixtures import merge

K, D = 4, 3


def single(mean, variance):
    return mixture([1.0], [[mean]], [[variance]])


def random_mixture(seed, scale=10.0, k=K, d=D):
    rng = np.random.default_rng(seed)
    means = scale * rng.normal(size=(k, d))
    return mixture(
        rng.dirichlet(np.ones(k) * 5), means, np.exp(rng.normal(size=(k, d)))
    )


def stack(*mixtures):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *mixtures)


def take(values, order):
    return jax.tree.map(lambda x: x[jnp.asarray(order)], values)


def equal(a, b):
    """As an average over three shards and a sum over the components allow."""
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, rtol=sums_of(3 + K))


def sizes(a, b):
    """[ka, kb]: what a distance adds up, each term without its sign."""
    distances = (np.float64(a.means)[:, None] - np.float64(b.means)[None]) ** 2
    one, other = (np.float64(m.variances) for m in (a, b))
    middle = (one[:, None] + other[None]) / 2
    logs = np.abs(np.log(one))[:, None] + np.abs(np.log(other))[None]
    return (distances / (8 * middle) + np.abs(np.log(middle)) / 2 + logs / 4).sum(2)


def test_known_distances():
    distance = merge.bhattacharyya
    for other, expected in ((single(2, 1), 0.5), (single(0, 4), np.log(1.25) / 2)):
        rounding = sums_of(3) * sizes(single(0, 1), other)
        value = distance(single(0, 1), other)
        np.testing.assert_allclose(value, expected, atol=rounding.item())
    assert distance(single(3, 2), single(3, 2)) == 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_distance_is_symmetric_and_not_negative(seed):
    a, b = random_mixture(seed), random_mixture(seed + 1)
    costs = merge.bhattacharyya(a, b)
    rounding = sums_of(3 * D) * sizes(a, b)
    assert (np.abs(costs - merge.bhattacharyya(b, a).T) <= 2 * rounding).all()
    assert (costs >= -rounding).all()


def test_distance_survives_512_tiny_variances():
    a = mixture([1.0], np.zeros((1, 512)), np.full((1, 512), 1e-12))
    b = mixture([1.0], np.zeros((1, 512)), np.full((1, 512), 1e-10))
    expected = 256 * (np.log(50.5) - np.log(10))
    # All terms are equal and round the same way, so that errors add up as they are.
    rounding = SAFETY * HALF_ULP * sizes(a, b) + 512 * HALF_ULP * expected
    assert (np.abs(merge.bhattacharyya(a, b) - expected) <= rounding).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16))
def test_matching_recovers_the_permutation(seed):
    rng = np.random.default_rng(seed)
    reference = mixture(np.full(K, 0.25), 50 * np.eye(K)[:, :D], np.ones((K, D)))
    order = rng.permutation(K)
    shard = take(reference, order)
    noise = jnp.asarray(1e-3 * rng.normal(size=(K, D)), jnp.float32)
    shard = shard._replace(means=shard.means + noise)
    found = merge.match(np.asarray(merge.bhattacharyya(reference, shard)))
    np.testing.assert_array_equal(order[found], np.arange(K))


def test_matching_avoids_costs_that_are_not_finite():
    costs = np.array([[np.nan, 1.0, 5.0], [2.0, np.inf, 9.0], [3.0, 4.0, -np.inf]])
    np.testing.assert_array_equal(merge.match(costs), [2, 0, 1])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from(["count", "equal"]))
def test_equal_shards_merge_to_themselves(seed, average):
    rng = np.random.default_rng(seed)
    shard = random_mixture(seed)
    shard = shard._replace(means=shard.means + 100)
    orders = [rng.permutation(K) for _ in range(3)]
    counts = jnp.asarray(2 + 50 * rng.random(K), jnp.float32)
    merged = merge.merge(
        stack(*(take(shard, order) for order in orders)),
        jnp.stack([counts[order] for order in orders]),
        shard,
        average=average,
    )
    equal(merged, shard)


def two_shards():
    first = mixture([0.5, 0.5], [[0.0], [10.0]], [[1.0], [2.0]])
    second = mixture([0.2, 0.8], [[12.0], [1.0]], [[4.0], [3.0]])
    return stack(first, second), first


@pytest.mark.parametrize(
    ("average", "weights", "means", "variances"),
    [
        # Rows 10 and 30; the second shard's components swap.
        ("count", [0.725, 0.275], [24 / 29, 122 / 11], [77 / 29, 34 / 11]),
        ("equal", [0.65, 0.35], [0.5, 11.0], [2.0, 3.0]),
    ],
)
def test_averages_by_hand(average, weights, means, variances):
    shards, reference = two_shards()
    counts = jnp.array([[5.0, 5.0], [6.0, 24.0]])
    merged = merge.merge(shards, counts, reference, average=average)
    equal(merged, (weights, np.array(means)[:, None], np.array(variances)[:, None]))


@pytest.mark.parametrize("average", ["count", "equal"])
def test_starved_components_and_empty_shards_are_left_out(average):
    shards, reference = two_shards()
    merged = merge.merge(
        shards, jnp.array([[5.0, 5.0], [0.0, 0.0]]), reference, average=average
    )
    equal(merged, reference)
    merged = merge.merge(
        shards, jnp.array([[5.0, 1.5], [0.5, 24.0]]), reference, average=average
    )
    np.testing.assert_array_equal(merged.means[1], reference.means[1])
    np.testing.assert_array_equal(merged.variances[1], reference.variances[1])
    assert 0 < merged.weights[1] < 1e-3
    np.testing.assert_allclose(merged.weights.sum(), 1, rtol=sums_of(2))
    assert merged.means[0, 0] > 0


def test_all_shards_empty():
    shards, reference = two_shards()
    merged = merge.merge(shards, jnp.zeros((2, 2)), reference)
    assert_finite(merged)
    equal(merged[1:], reference[1:])
