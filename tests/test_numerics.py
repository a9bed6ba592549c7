"""Products keep float32's digits; k-means++ draws far points, each by its own key."""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import numerics

KEY = jax.random.key(0)
LINE = np.float32([0, 1, 3])


def squares_to(drawn):
    return (jnp.asarray(LINE) - jnp.asarray(LINE)[drawn]) ** 2


def draw(key, num_draws, mask=(True, True, True), size=3):
    keys = jax.random.split(key, size)
    mask = jnp.asarray(mask)
    return numerics.kmeans_plusplus(keys, mask, num_draws, squares_to)


def test_products_are_exact_on_every_platform():
    rng = np.random.default_rng(0)
    a, b = jnp.asarray(rng.normal(size=(2, 8, 8)), jnp.float32)
    expected = np.float64(a) @ np.float64(b)
    np.testing.assert_allclose(numerics.matmul(a, b), expected, atol=1e-5)
    assert "HIGHEST" in jax.jit(numerics.matmul).lower(a, b).as_text()


def test_points_are_drawn_by_squared_distance():
    # From 0 the others lie at squared distances 1 and 9; from 1 at 1 and 4; from 3
    # at 9 and 4. The pair left out follows from the first two draws.
    keys = jax.random.split(KEY, 2000)
    pairs = np.sort(jax.vmap(lambda key: draw(key, 2, size=2))(keys), axis=1)
    share = (pairs == [0, 2]).all(axis=1).mean()
    expected = (9 / 10 + 9 / 13) / 3
    assert abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / 2000)


def test_every_point_comes_before_one_comes_twice():
    for seed in range(20):
        drawn = draw(jax.random.key(seed), 5, size=6)
        assert sorted(np.asarray(drawn[:3])) == [0, 1, 2]
        assert drawn[5] == 0


def test_only_points_that_may_be_drawn_are():
    drawn = draw(KEY, 3, mask=(False, True, True))
    assert set(np.asarray(drawn)) == {1, 2}
    np.testing.assert_array_equal(draw(KEY, 3, mask=(False,) * 3), 0)


def test_the_first_draws_do_not_depend_on_how_many_follow():
    traced = jax.jit(chex.assert_max_traces(draw, n=1))
    for num_draws in (1, 2, 3):
        drawn = traced(KEY, num_draws)
        np.testing.assert_array_equal(drawn[:num_draws], draw(KEY, 3)[:num_draws])
