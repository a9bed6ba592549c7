"""What went wrong in public code of these methods, for each row that could repeat it.

Checks of `gmmal_jax.testing` over all strategies and learners have most of it: no label
at first, classes without labels, equal rows, no more candidates than wanted and draws
without replacement among them, the pool's end; readouts that augment, labels of one
class, a resumed cycle's labels. Here is what only some rows could do wrong.
"""

import functools
import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from gmmal_jax import loop, methods, numerics, opening, plugins
from gmmal_jax.config import CBALConfig, CoreGCNConfig, SelectConfig
from gmmal_jax.cycle import Outcome
from gmmal_jax.errors import Interrupted
from gmmal_jax.learners import ce
from gmmal_jax.phases import adversary, wasserstein
from gmmal_jax.phases.extend import extend
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base, cbal, core_gcn, coreset
from gmmal_jax.testing import worlds
from gmmal_jax.testing.strategies import BUDGET, NUM_CLASSES, view
from gmmal_jax.types import Batch, Clock, Query, StepBatch

HIDDEN_LAYER = None
"""core_gcn measures in its graph network; from there on it is the others' function."""
K_CENTER = {
    "coreset": (coreset.make, np.asarray),
    "core_gcn_code": (core_gcn.code, numerics.directions),
    "core_gcn": (functools.partial(core_gcn.make, CoreGCNConfig()), HIDDEN_LAYER),
    "cbal": (
        functools.partial(cbal.make, CBALConfig(base="kcenter", weight=0.0)),
        np.asarray,
    ),
}


@pytest.mark.parametrize("name", K_CENTER)
def test_k_center_starts_anywhere_and_goes_on_from_there(name):
    """Elsewhere the first row of the pool came first, or the first pick was dropped."""
    make, measured = K_CENTER[name]
    pool, ask = view(0), Ask(BUDGET, NUM_CLASSES, SelectConfig())
    firsts = set()
    for key in jax.random.split(jax.random.key(0), 10):
        rows = base.query(key, make(), pool, ask).indices
        firsts.add(int(rows[0]))
        if measured is not HIDDEN_LAYER:
            points = np.asarray(measured(pool.columns["latents"]), np.float64)
            gaps = np.linalg.norm(points - points[rows[0]], axis=1)
            assert np.argmax(gaps) == rows[1]
    assert len(firsts) > 2


def with_critic(name, settings):
    """A learner of the table, or one to which an extension of the table gives it."""
    network = worlds.network()
    if name in methods.LEARNERS:
        make = plugins.resolve(methods.LEARNERS[name].make, name)
        return tiny.made(make, settings, network)
    make = plugins.resolve(methods.EXTENSIONS[name].make, name)
    return extend(
        tiny.made(ce.make, settings, network), tiny.made(make, settings, network)
    )


def has_critic(name):
    """VAAL's discriminators learn by cross-entropy, without a penalty."""
    return adversary.CRITIC <= with_critic(name, tiny.config()).gives


CRITICS = [
    name for name in (*methods.LEARNERS, *methods.EXTENSIONS) if has_critic(name)
]
REWARDED = {"waal_code"}
"""As in its authors' code."""


def penalties(name):
    """Of the critic's first and last step of 30, where little else counts in its loss.

    Two-sided, as slopes of a fresh critic are below 1. The network hardly moves.
    """
    settings = tiny.config(
        **{
            "da.learning_rate": 1e-9,
            "da.critic_learning_rate": 1e-3,
            "da.penalty_sides": "two",
            "da.penalty_weight": 50.0,
            "waal.penalty_weight": 50.0,
            "waal.alpha": 1.0,
        }
    )
    learner = with_critic(name, settings)
    images, labels = (jnp.asarray(each[:20]) for each in worlds.dataset())
    halves = [Batch(images[i::2], labels[i::2], jnp.ones(10, bool)) for i in (0, 1)]
    clock = Clock(jnp.int32(0), jnp.int32(30), jnp.int32(30))
    batch = StepBatch(clock, *halves, counts=jnp.int32([10, 10]))

    @worlds.on_one_device
    def run(state, keys):
        def step(state, key):
            state, metrics = learner.phases[-1].step(key, state, batch)
            return state, metrics["critic/penalty"]

        return jax.lax.scan(step, state, keys)[1]

    state = jax.jit(lambda key: learner.init(key, None))(jax.random.key(0))
    return np.asarray(run(state, jax.random.split(jax.random.key(1), 30)))[[0, -1]]


@pytest.mark.parametrize("name", CRITICS)
def test_the_penalty_on_a_critics_slopes_has_the_right_sign(name, monkeypatch):
    """Elsewhere it is rewarded, and a bounded critic hides it."""
    monkeypatch.setattr(wasserstein, "CODE_PENALTY", 50.0)
    first, last = penalties(name)
    assert (last > first) == (name in REWARDED)


@pytest.fixture
def training_is_skipped(monkeypatch):
    """A cycle asks for the first rows without a label, or stops: the pools told."""
    pools = []

    def ask(own, pool, cycle, budget, watch):
        pools.append(pool)
        if len(pools) == 2:
            raise Interrupted(signal.SIGTERM)
        rows = np.flatnonzero(~pool.labeled)[:budget].astype(np.int32)
        n = len(pool.ids)
        columns = {
            name: np.zeros((n, 10), np.float32) for name in ("logits", "latents")
        }
        seen = tiny.view()._replace(columns=columns)
        query = Query(rows, {}, {}, np.zeros(n, np.float32)) if budget else None
        counted = {"labeled": int(pool.labeled.sum())}
        return Outcome(None, seen, np.arange(n), counted, {}, query)

    monkeypatch.setattr(loop, "_ask", ask)
    return pools


@pytest.mark.parametrize("name", methods.LEARNERS)
def test_labels_are_kept_at_resume(name, training_is_skipped, tmp_path):
    """Elsewhere they were drawn anew: 40 became 120 (FixMatch)."""
    config = tiny.config(learn=name, query="random", reference="none")
    with pytest.raises(Interrupted):
        loop.execute(opening.start(config, tmp_path / "run", 1), tiny.Quiet())
    loop.execute(opening.reopen(tmp_path / "run", 1).run, tiny.Quiet())
    first, stopped, resumed, last = (pool.labels for pool in training_is_skipped)
    np.testing.assert_array_equal(stopped, resumed)
    assert [np.sum(labels >= 0) for labels in (first, resumed, last)] == [20, 40, 60]
    for earlier, later in ((first, resumed), (resumed, last)):
        np.testing.assert_array_equal(later[earlier >= 0], earlier[earlier >= 0])
