"""The learner's contract carries what the compared systems need: throwaway learners."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import throwaway

from gmmal_jax import config as configs
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.testing import learners, worlds
from gmmal_jax.types import ModelState


def run(learner, column=None, **at):
    """A cycle that asks by a column, or at random."""
    by_column = column and Strategy(
        column,
        frozenset({column}),
        lambda key, view: {column: view.columns[column]},
    )
    task, pool = worlds.world(learner, by_column)
    outcome, chunks = worlds.cycle(task, pool, **at)
    assert 0 <= outcome.results["accuracy"] <= 1
    assert len(outcome.query.indices) == 5
    return outcome, chunks


def differ(one, other):
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return any(np.any(np.asarray(a) != b) for a, b in leaves)


@pytest.mark.parametrize("make", throwaway.MAKERS)
def test_they_all_are_learners(make):
    learners.check(lambda network: make(), devices=(2,))


def test_an_extra_network_with_its_own_optimizer():
    outcome, chunks = run(throwaway.extra_network(), "predicted")
    assert np.abs(np.asarray(outcome.state.own[0])).max() > 0
    plain = run(throwaway.base())[1][-1]
    chex.assert_trees_all_equal(chunks[-1].state.base, plain.state)
    assert chunks[-1].metrics["supervised"].keys() > plain.metrics["supervised"].keys()
    best = np.argsort(-outcome.query.total[outcome.view.candidates])[:5]
    rows = np.flatnonzero(outcome.view.candidates)[best]
    assert set(rows.tolist()) == set(outcome.query.indices.tolist())


def test_a_committee_of_snapshots():
    outcome, _ = run(throwaway.committee(), "spread")
    steps = outcome.state.own.batch_stats["steps"]
    np.testing.assert_array_equal(steps, [2, 4, 6])
    assert (outcome.view.columns["spread"] > 0).all()
    # The votes' mean is not what the task network's classifier says.
    assert throwaway.committee().head is None


def test_a_generative_model_after_the_task_model():
    _, chunks = run(throwaway.generative())
    losses = [c.metrics["decoder"]["loss"] for c in chunks if c.chunk.name == "decoder"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert [c.chunk.name for c in chunks] == ["supervised"] * 3 + ["decoder"] * 4
    chex.assert_trees_all_equal(chunks[-1].state.model, chunks[2].state.model)


def test_two_heads():
    outcome, chunks = run(throwaway.two_heads(), "disagreement")
    assert outcome.view.columns["disagreement"].shape == (90,)
    metrics = chunks[-1].metrics["supervised"]
    assert {"second", "second/norm", "cross_entropy", "loss"} == metrics.keys()


def test_the_gate_holds_the_gradient_back_from_the_network_only():
    """With a closed gate the network trains as without the loss; the head trains."""
    shut = run(throwaway.two_heads(gate=lambda clock: jnp.zeros(())))[0].state
    chex.assert_trees_all_equal(run(throwaway.base())[0].state.model, shut.model)
    fresh = throwaway.two_heads().init(jax.random.key(0), None)
    assert differ(shut.heads, fresh.heads)


def test_a_loss_that_remembers():
    kept = [chunk.state.memories["pull"] for chunk in run(throwaway.remembering())[1]]
    # Renewed in steps 0 and 3; chunks end after steps 2, 4 and 6.
    assert [float(count) for _, count in kept] == [1, 2, 2]
    np.testing.assert_array_equal(kept[1][0], kept[2][0])
    assert np.any(kept[0][0] != kept[1][0])


def test_the_previous_cycles_network():
    learner = throwaway.continued()
    first, _ = run(learner)
    kept = jax.tree.map(np.asarray, learner.carry(first.state))
    second, _ = run(learner, previous=kept, number=1)
    assert isinstance(kept, ModelState)
    assert float(second.state.model.batch_stats["steps"]) == 12


def test_players_take_turns():
    one, two = (chunk.state for chunk in run(throwaway.min_max())[1][:2])
    assert differ(one.model.params, two.model.params) and differ(one.other, two.other)


def test_the_average_of_the_student_is_read():
    outcome, _ = run(throwaway.teacher())
    assert differ(outcome.state.model.params, outcome.state.other)


def test_features_are_read_in_place_of_the_latents():
    outcome, _ = run(throwaway.features())
    assert outcome.view.columns["latents"].shape == (90, 2)
    assert throwaway.features().head is None and throwaway.base().head is not None


def test_learner_and_strategy_see_the_same_candidates():
    seen = []

    def refresh(key, state, embed_pool, step):
        seen.append(embed_pool(state))
        return state

    phase = throwaway.base().phases[0]._replace(refresh=refresh)
    task, pool = worlds.world(throwaway.base()._replace(phases=(phase,)))
    task = task._replace(select=configs.SelectConfig(subset_size=20))
    outcome, _ = worlds.cycle(task, pool)
    assert len(seen) == 2
    for view in seen:
        read = view.candidates[outcome.rows]
        np.testing.assert_array_equal(read, outcome.view.candidates)
        assert view.candidates[outcome.query.indices].all()
        assert (view.labels[~view.labeled] == -1).all()
    assert outcome.view.candidates.sum() == 20
    assert len(outcome.rows) == 20 + pool.labeled.sum()


def test_refreshes_fall_on_chunks():
    phase = (
        throwaway.base().phases[0]._replace(refresh=lambda *_: _[1], refresh_every=3)
    )
    with pytest.raises(ValueError, match="no multiple"):
        worlds.world(throwaway.base()._replace(phases=(phase,)))
