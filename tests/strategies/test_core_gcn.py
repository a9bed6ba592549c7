"""CoreGCN: cases checked by hand, and a float64 reading of its equations."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rounding import HALF_ULP, sums_of

from gmmal_jax.config import CoreGCNConfig, SelectConfig
from gmmal_jax.selection import Ask, graph_network
from gmmal_jax.strategies import base, core_gcn
from gmmal_jax.testing.strategies import take
from gmmal_jax.types import PoolView

KEY = jax.random.key(0)
BUDGET = 20
"""Of most tests, as each number is compiled for."""
MAKERS = {
    "core_gcn": functools.partial(core_gcn.make, CoreGCNConfig()),
    "core_gcn_code": core_gcn.code,
    "uncertain_gcn": functools.partial(core_gcn.uncertain, CoreGCNConfig()),
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
REFERENCE = np.load(Path(__file__).parents[1] / "reference/core_gcn.npz")
ROWS, FEATURES = REFERENCE["latents"].shape
HIDDEN, STEPS = 5, 8
PLAIN = CoreGCNConfig(hidden=HIDDEN, steps=STEPS, dropout=0.0, weight_decay=0.1)
ROUNDINGS = sums_of(2 * FEATURES + 4 * ROWS + HIDDEN)
"""Of all sums on the way from latents to gradients, one after the other."""


def view(latents, labeled, candidates=None):
    labeled = np.asarray(labeled)
    return PoolView(
        ids=np.arange(len(latents), dtype=np.uint32) * 7 + 3,
        labeled=labeled,
        candidates=~labeled if candidates is None else candidates,
        labels=np.where(labeled, 0, -1).astype(np.int32),
        columns={"latents": np.float32(latents)},
    )


def chosen(strategy, pool, budget=BUDGET, key=KEY):
    ask = Ask(budget, 2, SelectConfig())
    return base.query(key, strategy, pool, ask).indices


def graph_of(latents):
    latents = np.float32(latents)
    return graph_network.build(latents, np.ones(len(latents), bool))


def whole(graph):
    """The graph's matrix."""
    return graph_network.spread(graph, jnp.eye(len(graph.features)))


def test_the_matrix_is_the_one_that_is_never_formed():
    latents = np.random.default_rng(1).gamma(1.0, size=(50, 8))
    x = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    cosines = x @ x.T - np.eye(50)
    expected = cosines / cosines.sum(axis=0)[None, :] + np.eye(50)
    # Its entries are products of two rows, divided by a sum over rows and features.
    bound = sums_of(2 * 8 + 50)
    np.testing.assert_allclose(whole(graph_of(latents)), expected, atol=bound)


def test_rows_without_neighbours_have_themselves():
    """(1, 0), (2, 0), (0, 1): the third column of S adds up to 0; so does that of 0."""
    expected = np.float32([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    found = whole(graph_of([[1, 0], [2, 0], [0, 1], [0, 0]]))
    np.testing.assert_allclose(found, expected, atol=4 * HALF_ULP)


def test_column_sums_that_are_not_positive_divide_nothing():
    found = whole(graph_of([[1, 0], [-1, 0], [-1, 0.1]]))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], [1, 0, 0], atol=4 * HALF_ULP)


def test_rows_that_are_no_members_have_no_edges():
    rng = np.random.default_rng(2)
    latents = rng.gamma(1.0, size=(9, 4)).astype(np.float32)
    members = np.arange(9) % 3 > 0
    found = whole(graph_network.build(latents, members))
    part = np.asarray(whole(graph_of(latents[members])))
    expected = np.eye(9, dtype=np.float32)
    expected[np.ix_(members, members)] = part
    np.testing.assert_allclose(found, expected, atol=sums_of(9 + 2 * 4))


def started():
    flat = REFERENCE["start"]
    kernel, rest = flat[: FEATURES * HIDDEN], flat[FEATURES * HIDDEN :]
    return graph_network.Network(
        jnp.asarray(kernel.reshape(FEATURES, HIDDEN).T),
        jnp.asarray(rest[:HIDDEN]), jnp.asarray(rest[HIDDEN:-1]), jnp.asarray(rest[-1]),
    )  # fmt: skip


def flat_of(network):
    parts = (network.kernel.T, network.bias, network.weights, network.offset)
    return np.concatenate([np.ravel(part) for part in parts])


def reference_graph():
    graph = graph_of(REFERENCE["latents"])
    sides = graph_network.Sides(REFERENCE["labeled"], ~REFERENCE["labeled"])
    return graph, graph_network.spread(graph, graph.features), sides


def reference_loss(network):
    graph, inputs, sides = reference_graph()
    hidden = graph_network.embed(network, inputs)
    logits = graph_network.log_odds(network, graph, hidden)
    return graph_network.loss(logits, sides, PLAIN.unlabeled_weight)


def test_loss_and_gradient_are_the_references():
    loss, gradient = jax.value_and_grad(reference_loss)(started())
    error = abs(loss - REFERENCE["loss"])
    assert error <= ROUNDINGS * REFERENCE["loss_terms"]
    errors = np.abs(flat_of(gradient) - REFERENCE["gradient"])
    assert (errors <= ROUNDINGS * REFERENCE["gradient_terms"]).all()


def test_training_is_the_references():
    graph, inputs, sides = reference_graph()
    network = graph_network.train(KEY, started(), graph, inputs, sides, PLAIN)
    # A step of Adam is the rate times a ratio of gradients: twice their relative error.
    ratio = 2 * ROUNDINGS * REFERENCE["terms_over_gradient"]
    bound = STEPS * (PLAIN.learning_rate * ratio + 2 * HALF_ULP)
    assert bound < STEPS * PLAIN.learning_rate / 100  # of what training moves
    np.testing.assert_allclose(flat_of(network), REFERENCE["trained"], atol=bound)


@pytest.mark.parametrize("name", ["core", "uncertain"])
def test_picks_are_the_references(name, monkeypatch):
    monkeypatch.setattr(graph_network, "start", lambda *_: started())
    pool = view(REFERENCE["latents"], REFERENCE["labeled"])
    make = {"core": core_gcn.make, "uncertain": core_gcn.uncertain}[name]
    rows = chosen(make(PLAIN), pool, len(REFERENCE[name]))
    np.testing.assert_array_equal(rows, REFERENCE[name])


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    hidden = jnp.full((1000, 129), 3.0)
    left = np.asarray(graph_network._dropout(KEY, hidden, 0.3))
    share = np.mean(left == 0)
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / left.size)
    np.testing.assert_allclose(left[left > 0], 3 / 0.7, rtol=2**-15)
    halves = (left == 0)[:, :64], (left == 0)[:, 65:]
    both = np.mean(halves[0] & halves[1])  # of one random word each
    assert abs(both - 0.09) < 4 * np.sqrt(0.09 * 0.91 / halves[0].size)


def two_groups():
    """Rows 0 to 19 lie about one direction, 20 to 39 about another; 5 are labeled."""
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1], 20)
    latents = np.eye(2)[group] + rng.uniform(0, 0.2, size=(40, 2))
    return latents, np.arange(40) < 5, group


def test_the_network_learns_what_is_labeled():
    latents, labeled, group = two_groups()
    graph = graph_of(latents)
    inputs = graph_network.spread(graph, graph.features)
    options = CoreGCNConfig()
    network = graph_network.start(KEY, 2, options.hidden)
    sides = graph_network.Sides(labeled, ~labeled)
    network = graph_network.train(KEY, network, graph, inputs, sides, options)
    hidden = graph_network.embed(network, inputs)
    odds = np.asarray(graph_network.log_odds(network, graph, hidden))
    assert odds[labeled].mean() > odds[group == 1].mean()


def test_core_gcn_asks_where_nothing_is_labeled():
    latents, labeled, group = two_groups()
    for seed in range(3):
        rows = chosen(
            core_gcn.make(CoreGCNConfig()),
            view(latents, labeled),
            key=jax.random.key(seed),
        )
        assert group[rows[0]] == 1


@pytest.mark.parametrize("margin, group", [(0.0, 1), (1.0, 0)])
def test_uncertain_gcn_asks_near_its_margin(margin, group):
    latents, labeled, groups = two_groups()
    strategy = core_gcn.uncertain(CoreGCNConfig(margin=margin))
    rows = chosen(strategy, view(latents, labeled))
    assert (groups[rows[:15]] == group).all()


def test_the_code_looks_at_directions_alone_and_trains_nothing(monkeypatch):
    monkeypatch.delattr(graph_network, "train")
    latents = [[1, 0], [9, 0], [1, 1], [0, 1], [3, 1]]
    rows = chosen(core_gcn.code(), view(latents, np.arange(5) == 0), 2)
    np.testing.assert_array_equal(rows, [3, 2])


@every_maker
def test_units_of_latents_change_nothing(make):
    latents, labeled, _ = two_groups()
    rows = chosen(make(), view(latents, labeled))
    for unit in (2.0**-100, 2.0**100):  # squares are no float32
        moved = chosen(make(), view(unit * latents, labeled))
        np.testing.assert_array_equal(moved, rows)


@every_maker
def test_rows_that_are_not_finite_come_last_and_change_no_graph(make):
    latents, labeled, _ = two_groups()
    broken = np.isin(np.arange(40), [2, 30, 31])  # a labeled one among them
    spoilt = np.where(broken[:, None], [[np.nan, np.inf]], latents)
    candidates = np.arange(40) >= 20  # as many as are asked for
    rows = chosen(make(), view(spoilt, labeled, candidates))
    assert set(rows[-2:]) == {30, 31} and np.isfinite(spoilt[rows[:-2]]).all()


@every_maker
def test_rows_outside_the_graph_change_nothing(make):
    latents, labeled, _ = two_groups()
    inside = labeled | (np.arange(40) % 3 > 0)
    pool = view(latents, labeled, inside & ~labeled)
    rows = chosen(make(), pool)
    others = np.where(inside[:, None], latents, [[5.0, 0.3]])
    moved = chosen(make(), view(others, labeled, inside & ~labeled))
    np.testing.assert_array_equal(moved, rows)


@every_maker
def test_nothing_labeled_yet(make):
    latents, labeled, _ = two_groups()
    rows = chosen(make(), view(latents, np.zeros(40, bool)))
    assert len(set(rows)) == BUDGET


@every_maker
def test_permuted_rows_of_many_equal_ones(make):
    """Where ties abound, places must not settle them."""
    latents, labeled, _ = two_groups()
    pool = view(np.round(latents, 1), labeled)
    order = np.random.default_rng(4).permutation(40)
    rows, moved = chosen(make(), pool), chosen(make(), take(pool, order))
    np.testing.assert_array_equal(order[moved], rows)
