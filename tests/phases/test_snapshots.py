"""Snapshots: taken at their exact steps, of the last phase, over any learner."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gmmal_jax import assembly, config as configs, cycle as cycles
from gmmal_jax.config import SnapshotConfig, TrainConfig
from gmmal_jax.errors import UserError
from gmmal_jax.learners import ce, snapshot as learner
from gmmal_jax.phases import critics, snapshots
from gmmal_jax.phases.extend import extend
from gmmal_jax.testing import learners, worlds
from gmmal_jax.types import Clock


def taken(num_steps, shares):
    """Steps done when each member is taken."""
    steps = jnp.arange(num_steps)
    clock = Clock(steps, *[jnp.full(num_steps, num_steps)] * 2)
    due = np.asarray(snapshots.due(clock, shares))
    assert (due.sum(axis=1) == 1).all()
    return (due.argmax(axis=1) + 1).tolist()


@pytest.mark.parametrize("num_steps", [2000, 200, 300, 7, 4, 1])
def test_members_are_taken_once_each_at_their_share_of_the_steps(num_steps):
    shares = snapshots.times(SnapshotConfig())
    exact = [max(1, round(num_steps * tenths / 10)) for tenths in (6, 7, 8, 9, 10)]
    assert taken(num_steps, shares) == exact


def test_the_times_of_the_long_schedule():
    """250 epochs, members in the last 50."""
    shares = snapshots.times(SnapshotConfig(start=0.8))
    assert taken(250, shares) == [210, 220, 230, 240, 250]


def train(chunk, batch=8):
    """Without a drop of the rate, which falls on the end of a chunk."""
    return TrainConfig(
        steps=10, chunk_steps=chunk, batch_size=batch, learning_rate=0.05, decay=1.0
    )


def states(chunk, batch=8, **options):
    """The outcome, the network after every chunk, and the members at the end."""
    settings = SnapshotConfig(**options)
    made = learner.make(worlds.network(), train(chunk, batch), settings)
    outcome, chunks = worlds.cycle(*worlds.world(made, chunk=chunk))
    return outcome, [c.state.model for c in chunks], chunks[-1].state.own.members


def test_members_are_the_network_at_that_step_whatever_the_chunks():
    _, models, kept = states(1)
    wanted = jax.tree.map(
        lambda *each: np.stack(each), *(models[i] for i in (5, 6, 7, 8))
    )
    chex.assert_trees_all_equal(kept, wanted)
    np.testing.assert_array_equal(kept.batch_stats["steps"], [6, 7, 8, 9])
    # Chunks of five end after steps 5 and 10: no member falls on a chunk's end.
    chex.assert_trees_all_equal(states(5)[2], kept)


def test_the_last_member_is_the_network():
    outcome, _, kept = states(5, members=3, start=0.0)
    columns = outcome.view.columns
    assert columns["member_logits"].shape == (worlds.ROWS, 3, worlds.CLASSES)
    np.testing.assert_array_equal(columns["member_logits"][:, 2], columns["logits"])
    images, _ = worlds.dataset()
    network = worlds.network()
    for i in range(2):
        member = jax.tree.map(lambda leaf, i=i: jnp.asarray(leaf[i]), kept)
        seen = network.predict(member, network.normalized(jnp.asarray(images))).logits
        np.testing.assert_allclose(columns["member_logits"][:, i], seen, rtol=1e-5)


def test_training_is_that_of_the_learner_alone():
    plain = worlds.cycle(*worlds.world(ce.make(worlds.network(), train(5)), chunk=5))[1]
    chex.assert_trees_all_equal(states(5)[1][-1], plain[-1].state.model)


def test_of_two_phases_the_last_ones_snapshots_remain():
    base = ce.make(worlds.network(), train(5))
    again = base.phases[0]._replace(name="again")
    base = base._replace(phases=(*base.phases, again))
    both = extend(
        base, snapshots.committee(worlds.network(), train(5), SnapshotConfig())
    )
    _, chunks = worlds.cycle(*worlds.world(both, chunk=5))
    members = chunks[-1].state.own.members.batch_stats["steps"]
    np.testing.assert_array_equal(members, [16, 17, 18, 19])


@pytest.mark.parametrize(
    ("batch", "ends"),
    [
        (8, (6, 8, 10)),  # twelve labels: an epoch of two steps
        (5, (6, 9, 10)),  # of three: the last step counts, too
        (12, (6, 7, 8, 9, 10)),
    ],
)
def test_averaged_weights_are_the_mean_of_the_epochs_ends(batch, ends):
    outcome, models, _ = states(1, batch, average=True)
    wanted = jax.tree.map(
        lambda *each: np.mean(each, axis=0, dtype=np.float64),
        *(models[end - 1].params for end in ends),
    )
    # A sum of up to five terms, each rounded twice.
    chex.assert_trees_all_close(
        outcome.state.model.params, wanted, rtol=2e-6, atol=1e-8
    )
    again = states(5, batch, average=True)[0]
    chex.assert_trees_all_equal(again.state.model.params, outcome.state.model.params)


def test_averaging_leaves_the_members_as_they_are():
    plain, _, kept = states(5)
    outcome, models, members = states(5, average=True)
    chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[:4], members), kept)
    last = jax.tree.map(lambda leaf: leaf[4], members)
    chex.assert_trees_all_equal(last, plain.state.model)
    votes, voted = (o.view.columns["member_logits"] for o in (plain, outcome))
    np.testing.assert_allclose(voted, votes, rtol=1e-5, atol=1e-6)
    apart = outcome.view.columns["logits"] - voted[:, -1]
    assert np.abs(apart).max() > 1e-3


def test_after_averaging_the_labeled_set_is_passed_for_batch_norm():
    """Two steps of eight rows of twelve, a whole chunk of five; weights stand still."""
    _, models, _ = states(5, average=True)
    assert [float(m.batch_stats["steps"]) for m in models] == [5, 10, 15]
    _, models, _ = states(1, average=True)
    assert [float(m.batch_stats["steps"]) for m in models[-3:]] == [10, 11, 12]
    chex.assert_trees_all_equal(models[-1].params, models[-2].params)


def test_of_two_phases_the_last_ones_mean_remains():
    base = ce.make(worlds.network(), train(1))
    again = base.phases[0]._replace(name="again")
    base = base._replace(phases=(*base.phases, again))
    both = snapshots.committee(worlds.network(), train(1), SnapshotConfig(average=True))
    _, chunks = worlds.cycle(*worlds.world(extend(base, both), chunk=1))
    ends = [chunks[i].state.model.params["hidden"] for i in (15, 17, 19)]
    mean = chunks[-1].state.own.mean
    assert mean.states == 3
    np.testing.assert_allclose(mean.params["hidden"], np.mean(ends, axis=0), rtol=1e-5)


@pytest.mark.parametrize(("learn", "average"), [("vaal", True), ("ta_vaal", False)])
def test_a_frozen_network_votes_by_what_it_was_in_training(learn, average):
    """A phase beside the finished network leaves committee and mean as training did."""
    options = {"train.steps": 10, "train.learning_rate": 0.05}
    options["snapshot.average"] = average
    settings = tiny.config(learn=learn, query="snapshot", **options)
    both = assembly.make(worlds.network(), settings).learner
    outcome, stands = worlds.cycle(*worlds.world(both))
    ends = {s.chunk.name: s.state for s in stands if s.chunk}
    chex.assert_trees_all_equal(ends[learn].own, ends["supervised"].own)
    votes = outcome.view.columns["member_logits"]
    assert np.abs(np.diff(votes, axis=1)).max(axis=(0, 2)).min() > 1e-3


def test_a_critics_phase_is_no_state_of_the_network():
    """Where gmm's query, say, had its critic before the committee."""
    settings = tiny.config(**{"train.steps": 10, "train.learning_rate": 0.05})
    network = worlds.network()
    alone = tiny.made(critics.alone, settings, network)
    committee = tiny.made(snapshots.committee, settings, network)
    both = extend(extend(tiny.made(ce.make, settings, network), alone), committee)
    assert [phase.frozen for phase in both.phases] == [False, True]
    _, stands = worlds.cycle(*worlds.world(both))
    ends = {s.chunk.name: s.state for s in stands if s.chunk}
    chex.assert_trees_all_equal(ends["critic"].own, ends["supervised"].own)


def test_a_network_from_elsewhere_is_no_mean_and_stays():
    made = learner.make(worlds.network(), train(5), SnapshotConfig(average=True))
    task, pool = worlds.world(made, chunk=5)
    elsewhere = worlds.network().init(jax.random.key(7))
    begun = cycles.begin(task, 0, None, elsewhere, phase=1)
    outcome, _ = worlds.cycle(task, pool, start=begun)
    chex.assert_trees_all_equal(outcome.state.model.params, elsewhere.params)


def test_averaging_keeps_the_contract():
    def build(network):
        return learner.make(network, train(2, 10), SnapshotConfig(average=True))

    learners.check(build, (3,))


def test_any_learner_goes_with_the_query():
    settings = configs.replace(tiny.config(), learn="ll4al", query="snapshot")
    made = assembly.make(worlds.network(), settings)
    assert "member_logits" in made.learner.gives
    learners.check(lambda network: assembly.make(network, settings).learner, (2,))


def test_a_committee_of_one_is_refused():
    with pytest.raises(UserError, match="snapshot.members: 1; use 2 or more"):
        SnapshotConfig(members=1)
