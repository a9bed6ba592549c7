"""Deal, fit, realign, average: the part that the public fit and the refit share."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixture_cases import features, random_start

from gmmal_jax.config import MixtureConfig
from gmmal_jax.mixtures import em, merge, refit, sharded

N, D, K = 400, 6, 3
KEY = jax.random.key(0)


def problem():
    latents, _ = features("plain", N, D, K, 0)
    return latents, np.arange(N) % 5 > 0, random_start(latents, K)


def fit(latents, rows, start, *, ordered=True, **sharding):
    options = em.Options(num_iters=3)
    shards = sharded.Sharding(**{"size": 80} | sharding)
    return sharded.fit(KEY, latents, rows, start, options, shards, ordered=ordered)


def test_a_learners_refit_is_the_same_fit():
    latents, rows, start = problem()
    config = MixtureConfig(init="previous", shard_size=80, em_iters=3)
    mixture, info = refit.fit_pool(KEY, latents, rows, start, config, start)
    _, k_shards = jax.random.split(KEY)
    options, sharding = em.Options(num_iters=3), sharded.Sharding(80)
    ours = sharded.fit(k_shards, latents, rows, start, options, sharding, ordered=True)
    chex.assert_trees_all_equal(mixture, ours.mixture)
    assert info.live == sharded.summary(ours.info).live == K


def test_where_the_rows_lie_changes_nothing():
    latents, rows, start = problem()
    host = fit(latents, rows, start)
    chex.assert_trees_all_equal(host, fit(jnp.asarray(latents), rows, start))
    # A few shards at a time, the last group smaller.
    chex.assert_trees_all_close(host, fit(latents, rows, start, chunk_rows=170))


def test_shards_follow_the_start_or_the_first_of_them():
    latents, rows, start = problem()
    turned = jax.tree.map(lambda values: values[::-1], start)
    straight, own = fit(latents, rows, start), fit(latents, rows, turned)
    turned_back = jax.tree.map(lambda values: values[::-1], own.mixture)
    chex.assert_trees_all_close(turned_back, straight.mixture, rtol=1e-4)
    drawn = fit(latents, rows, turned, ordered=False)
    first = drawn.shards.means[0]
    gaps = jnp.linalg.norm(drawn.mixture.means[:, None] - first[None], axis=2)
    np.testing.assert_array_equal(gaps.argmin(axis=1), np.arange(K))


def test_other_rows_do_not_trace_again():
    latents, rows, start = problem()
    fit(jnp.asarray(latents), rows, start)
    traced = em.fit_shards._cache_size(), em.to_shards._cache_size()
    fit(jnp.asarray(latents), ~rows, start)
    assert traced == (em.fit_shards._cache_size(), em.to_shards._cache_size())


def test_no_row_at_all_says_nothing():
    latents, _, start = problem()
    info = fit(latents, np.zeros(N, bool), start).info
    found = sharded.summary(info)
    assert (found.live, found.rows_dropped, found.rho) == (0, 0, 0.0)
    np.testing.assert_array_equal(found.log_likelihood, 0.0)


def test_a_reference_of_other_components_is_refused():
    latents, rows, start = problem()
    fitted = fit(latents, rows, start)
    fewer = jax.tree.map(lambda values: values[:2], start)
    with pytest.raises(AssertionError, match="shape"):
        merge.merge(fitted.shards, jnp.asarray(fitted.info.counts), fewer)


@pytest.mark.parametrize("wrong", [np.ones(N + 1, bool), np.ones((N, 1), bool)])
def test_masks_of_another_shape_are_refused(wrong):
    # Indexing would clamp what lies beyond the rows, without a word.
    latents, _, start = problem()
    with pytest.raises(AssertionError, match="shape"):
        fit(latents, wrong, start)
