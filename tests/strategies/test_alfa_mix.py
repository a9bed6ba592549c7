"""ALFA-Mix: the known answers, and a step-by-step reading of it in float64."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_badge import view

from gmmal_jax.config import AlfaMixConfig, SelectConfig
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import alfa_mix, base, mixing

PLAIN = np.eye(2, dtype=np.float32)
"""A head that shows the latents: kernel, with no bias."""
ANCHORS = np.float32([[2, 0], [0, 2]])
critical_caps = jax.jit(mixing.critical_caps)
class_means = jax.jit(mixing.class_means, static_argnames="num_classes")
CAPS = 0.2 * np.arange(1, 6)
REFERENCE = np.load(Path(__file__).parent.parent / "reference/alfa_mix.npz")


def critical(latents, kernel=PLAIN, anchors=ANCHORS):
    latents = np.float32(latents)
    return np.asarray(critical_caps(latents, latents @ kernel, anchors, kernel))


def test_known_answer():
    """Behind by 0.4 on a ray that gains sqrt(2) a unit; the far anchor at 1.7205."""
    expected = 0.4 / np.sqrt(2) * np.sqrt(2) / np.hypot(1, 1.4)
    np.testing.assert_allclose(critical([[1, 0.6]]), [expected], rtol=1e-5)
    assert 0.2 < expected < 0.4  # no candidate at the first cap, one at the second


def test_a_row_on_the_boundary_is_a_candidate_at_every_cap():
    assert critical([[1, 1]])[0] == 0


def test_a_row_that_float32_is_certain_of_is_none():
    assert np.isposinf(critical([[200, 0]])).all()
    # Where the best probability rounds to 1, the others' direction is still known.
    assert np.isfinite(critical([[60, 0]])).all()


def test_a_row_on_the_only_anchor_is_none():
    same = np.float32([[1, 0.6], [1, 0.6]])
    assert np.isposinf(critical([[1, 0.6]], anchors=same)).all()


def test_a_class_without_labels_has_the_mean_of_all_labeled():
    latents = np.float32([[0, 0], [2, 0], [4, 6], [100, 100]])
    found = class_means(latents, np.int32([0, 0, 2, -1]), num_classes=3)
    np.testing.assert_allclose(found, [[1, 0], [2, 2], [4, 6]], rtol=1e-6)


def test_anchors_of_the_reference():
    anchors = class_means(REFERENCE["latents"], REFERENCE["labels"], num_classes=5)
    np.testing.assert_allclose(anchors, REFERENCE["anchors"], rtol=1e-5)


def unlabeled(name):
    return REFERENCE[name][REFERENCE["labels"] < 0]


def test_one_comparison_a_cap_is_the_step_by_step_procedure():
    latents, kernel = unlabeled("latents"), REFERENCE["kernel"]
    logits = latents @ kernel + REFERENCE["bias"][None]
    anchors = REFERENCE["anchors"].astype(np.float32)
    found = np.asarray(critical_caps(latents, logits, anchors, kernel))
    np.testing.assert_array_equal(found[:, None] < CAPS[None], REFERENCE["closed"])


def learning():
    latents, kernel, bias = unlabeled("latents"), REFERENCE["kernel"], REFERENCE["bias"]
    labels = (latents @ kernel + bias[None]).argmax(axis=1)
    anchors = REFERENCE["anchors"].astype(np.float32)[unlabeled("anchor_of")]
    return latents, anchors, labels, kernel, bias


ROWS = (0, 0, 0, 0, None, None)


def test_loss_and_gradient_of_learned_shares():
    step = jax.value_and_grad(mixing.mixing_loss, has_aux=True)
    (loss, _), gradient = jax.jit(jax.vmap(step, ROWS))(
        unlabeled("shares"), *learning()
    )
    # Logits are sums of 8 products below 50: some units of 6e-8 of that.
    np.testing.assert_allclose(loss, REFERENCE["loss"], rtol=1e-5, atol=2e-5)
    np.testing.assert_allclose(gradient, REFERENCE["gradient"], rtol=1e-4, atol=2e-5)


def test_learned_shares_change_the_same_rows():
    rows = jax.jit(jax.vmap(mixing.changes_by_learning, (*ROWS, None)))
    found = rows(unlabeled("starts"), *learning(), jnp.float32(0.25))
    np.testing.assert_array_equal(found, REFERENCE["learned"])


def pool_of(latents, labels, kernel, bias):
    labeled = labels >= 0
    logits = latents @ kernel + bias[None]
    pool = view(logits, latents, ~labeled)
    return pool._replace(labeled=labeled, labels=labels, head=(kernel, bias))


def chosen(pool, budget, seed=0, **options):
    strategy = alfa_mix.make(AlfaMixConfig(**options))
    ask = Ask(budget, pool.head[1].size, SelectConfig())
    return base.query(jax.random.key(seed), strategy, pool, ask).indices


def test_a_whole_query_of_the_reference():
    pool = pool_of(
        *(REFERENCE[name] for name in ("latents", "labels", "kernel", "bias"))
    )
    for seed in range(3):
        assert chosen(pool, 1, seed) == [REFERENCE["pick"]]


def few():
    """Rows 2, 3, 4 near the boundary; the labeled anchors, and sixteen rows far off."""
    near = [[1, 0.6], [0.9, 1], [1, 0.8]]
    latents = np.float32([[2, 0], [0, 2], *near, *([[90, 0]] * 16)])
    labels = np.full(len(latents), -1, np.int32)
    labels[:2] = [0, 1]
    return pool_of(latents, labels, PLAIN, np.zeros(2, np.float32))


@pytest.mark.parametrize("mode", ["closed_form", "learned"])
def test_what_is_missing_is_drawn_without_replacement(mode):
    draws = [chosen(few(), 9, seed, mode=mode) for seed in range(20)]
    for rows in draws:
        assert len(set(rows)) == 9 and {2, 3, 4} < set(rows)
    assert set(np.concatenate(draws)) == set(range(2, 21))


def test_the_cap_grows_until_more_rows_change_than_are_asked():
    """At 0.2 rows 3 and 4 change; for two, more than two are wanted: row 2 as well."""
    np.testing.assert_array_less(critical([[0.9, 1], [1, 0.8]]), 0.2)
    ones = [chosen(few(), 1, seed) for seed in range(5)]
    assert set(np.concatenate(ones)) <= {3, 4}
    pairs = [chosen(few(), 2, seed) for seed in range(10)]
    assert 2 in np.concatenate(pairs) and np.max(pairs) <= 4
