"""--train.init continue: the next cycle trains the network that the last one left."""

import chex
import jax
import numpy as np
import tiny

from gmmal_jax import assembly, cycle as cycles, keys
from gmmal_jax.testing import learners, worlds

CONTINUE = {"train.init": "continue"}


def built(network, **changes):
    return assembly.make(network, tiny.config(method="gmm", **changes)).learner


def test_it_is_a_learner():
    learners.check(lambda network: built(network, **CONTINUE), devices=(3,))


def test_the_network_goes_on_and_all_else_begins_anew():
    task, pool = worlds.world(built(worlds.network(), **CONTINUE))
    outcome, _ = worlds.cycle(task, pool)
    carried = task.method.learner.carry(outcome.state)
    following = cycles.begin(task, 1, carried).state
    chex.assert_trees_all_equal(following.model, outcome.state.model)
    fresh = jax.jit(built(worlds.network()).init)(keys.key(0, "network", 1), None)
    chex.assert_trees_all_equal(following.base.optimizer, fresh.base.optimizer)
    chex.assert_trees_all_equal(following.own, fresh.own)
    first = jax.tree.leaves(fresh.model.params)[0]
    assert not np.array_equal(first, jax.tree.leaves(following.model.params)[0])
