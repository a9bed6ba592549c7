"""4DS: terms and weights checked by hand on one latent, two components."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gmmal_jax.config import FourDsConfig, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, four_ds, judged as terms
from gmmal_jax.testing.strategies import NUM_CLASSES, view
from gmmal_jax.types import Mixture

# Components at -1 and 1 of variance 1: responsibilities are the sigmoid of 2 z.
MIXTURE = Mixture(jnp.full(2, 0.5), jnp.array([[-1.0], [1.0]]), jnp.ones((2, 1)))
LATENTS = jnp.array([[-1.0], [1.0], [0.0], [-0.5], [2.0]])
LABELS = jnp.array([0, -1, -1, -1, -1])
CANDIDATES = LABELS < 0
Z = np.array([-1.0, 1.0, 0.0, -0.5, 2.0])
SECOND = 1 / (1 + np.exp(-2 * Z))
DENSITY = np.log(np.exp(-((Z + 1) ** 2) / 2) + np.exp(-((Z - 1) ** 2) / 2))


def judged(labels=LABELS, latents=LATENTS, classes=2):
    return terms.judge(latents, labels, CANDIDATES, MIXTURE, classes)


def scaled(values):
    low, high = values[1:].min(), values[1:].max()
    return np.clip((values - low + 1e-5) / (high - low + 1e-5), 0, 1)


def test_terms_by_hand():
    """With one label all rows are of its class; with two, by what both are near."""
    one = judged()
    np.testing.assert_allclose(one.responsibilities, [1 - SECOND, SECOND], atol=1e-6)
    np.testing.assert_allclose(one.error, 0, atol=1e-6)
    np.testing.assert_allclose(one.density, scaled(DENSITY), atol=1e-5)
    np.testing.assert_allclose(one.held, [1 - SECOND[0], SECOND[0]], atol=1e-6)
    two = judged(LABELS.at[1].set(1))
    own = np.array([[SECOND[1], SECOND[0]], [SECOND[0], SECOND[1]]])
    best = np.max(np.stack([1 - SECOND, SECOND], 1) @ own, axis=1)
    np.testing.assert_allclose(two.error, 1 - best, atol=1e-6)
    distance = np.log((best + 1e-5) / (1 - best + 1e-5))
    np.testing.assert_allclose(two.uncertainty, 1 - scaled(distance), atol=1e-5)


def test_weights_by_hand():
    two = judged(LABELS.at[1].set(1))
    # Two labels, mirrored: their responsibilities are spread as the weights are.
    candidates = np.array([False, False, True, True, True])
    first = terms.first_weights(two, jnp.asarray(candidates))
    error, density = np.asarray(two.error), np.asarray(two.density)
    expected = (error * density)[candidates].mean()
    np.testing.assert_allclose(first, [expected, 1 - expected, 0, 0], atol=1e-6)
    later = terms.later_weights(two, jnp.asarray(candidates), jnp.float32(0.2))
    certain = 1 - error[candidates].mean()
    np.testing.assert_allclose(
        later, [0.8 * certain, 0.8 * (1 - certain), 0, 0.2], atol=1e-6
    )
    # One label: the second component lacks what the first has too much.
    alone = terms.first_weights(judged(), CANDIDATES)
    lack = 2 * (0.5 - SECOND[0])
    np.testing.assert_allclose(alone.distribution, lack, atol=1e-6)
    np.testing.assert_allclose(sum(alone), 1, atol=1e-6)


def test_without_a_label_the_classes_are_equally_likely():
    none = judged(jnp.full(5, -1))
    np.testing.assert_allclose(none.error, 0.5, atol=1e-6)
    assert terms.first_weights(none, CANDIDATES).distribution == 1


def test_distribution_asks_where_labels_are_missing():
    """One label of two: a row at its mirror image makes up for it."""
    found = judged()
    room = found.weights - found.held / 2
    gap = terms.no_gap(found.responsibilities)
    lacks, _ = terms.lacking(found.responsibilities, room, jnp.float32(0.5), gap)
    shares = (np.stack([1 - SECOND, SECOND]) + [[1 - SECOND[0]], [SECOND[0]]]) / 2
    expected = np.maximum(0.5 - shares, 0).sum(axis=0)
    np.testing.assert_allclose(lacks, expected, atol=1e-6)
    assert abs(lacks[1]) < 1e-6 < lacks[2]


def test_what_components_lack_is_kept_up_to_date():
    """Against the plain sum, while components fill up one after the other."""
    rng = np.random.default_rng(0)
    own = rng.dirichlet(np.full(6, 0.3), size=40).T.astype(np.float32)
    room, part = rng.dirichlet(np.ones(6)).astype(np.float32), np.float32(0.04)
    gap, step = terms.no_gap(jnp.asarray(own)), jax.jit(terms.lacking)
    for row in range(30):
        lacks, gap = step(jnp.asarray(own), jnp.asarray(room), part, gap)
        expected = np.maximum(room[:, None] - part * own, 0).sum(axis=0)
        np.testing.assert_allclose(lacks, expected, atol=1e-6)
        room = room - part * own[:, row]
    assert (room <= 0).any() and (room > 0).any()


def test_diversity_is_the_scaled_logarithm_of_densities():
    only = terms.Weights(*jnp.array([0.0, 0.0, 0.0, 1.0]))
    found, density = judged(), scaled(DENSITY)
    found = terms.utility(
        found, only, jnp.float32(density[1:].min()), jnp.float32(0.7), jnp.zeros(5)
    )
    minus = -np.log(density + 0.7)[1:]
    expected = (minus - minus.min()) / (minus.max() - minus.min())
    np.testing.assert_allclose(found[1:], expected, atol=1e-5)


def test_far_rows_have_posteriors_of_the_only_component_with_labels():
    """Its responsibility is exp(-2,000): 0 in float32, but its logarithm is not."""
    far = LATENTS.at[4].set(1000.0)
    found = terms.judge(far, LABELS, CANDIDATES, MIXTURE, 2)
    np.testing.assert_allclose(found.error, 0, atol=1e-6)


def query(pool, budget, **options):
    strategy = four_ds.make(FourDsConfig(**options))
    ask = Ask(budget, NUM_CLASSES, SelectConfig())
    return base.query(jax.random.key(3), strategy, pool, ask).indices


def test_the_first_row_does_not_depend_on_the_budget_and_the_others_do():
    pool = view()
    assert query(pool, 1)[0] == query(pool, 10)[0]
    assert query(pool, 10).tolist() != query(pool, 10, diversity=0.0).tolist()


def test_the_unit_of_latents_plays_no_part():
    pool = view()
    found = query(pool, 10)
    for unit in (2.0**-90, 2.0**90):
        latents = np.float32(unit) * pool.columns["latents"]
        scaled_pool = pool._replace(columns={"latents": latents})
        np.testing.assert_array_equal(query(scaled_pool, 10), found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_asked_last(bad):
    pool = view(num_labeled=20)
    latents = pool.columns["latents"].copy()
    broken = np.flatnonzero(pool.candidates)[:3]
    latents[broken, 1] = bad
    found = query(pool._replace(columns={"latents": latents}), 10)
    assert set(found[-3:]) == set(broken)


def test_equal_rows_are_all_asked_once():
    pool = view()
    same = np.ones_like(pool.columns["latents"])
    found = query(pool._replace(columns={"latents": same}), 10)
    assert len(set(found.tolist())) == 10


def test_more_components_than_rows():
    assert len(set(query(view(), 10, components=40).tolist())) == 10
