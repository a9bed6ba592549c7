"""WAAL's two forms as learners: steps, columns, and who is trained by what."""

import chex
import numpy as np
import pytest
import tiny

from gmmal_jax.learners import waal, waal_code
from gmmal_jax.phases import adversary
from gmmal_jax.testing import worlds

SHORT = {"train.steps": 1, "da.steps": 2, "train.chunk_steps": 1, "da.refit_every": 1}


def made(module=waal, network=None, **changes):
    return tiny.made(module.make, tiny.config(**changes), network)


def states(learner):
    return [chunk.state for chunk in worlds.cycle(*worlds.world(learner, chunk=1))[1]]


def test_the_networks_loss_does_not_train_the_critic():
    """Its first step sees latents from before the network's: it is the same."""
    one, other = (states(made(**SHORT, **{"waal.alpha": a})) for a in (0.0, 100.0))
    chex.assert_trees_all_equal(one[1].own.critic, other[1].own.critic)
    moved = one[1].model.params["hidden"] - other[1].model.params["hidden"]
    assert np.abs(moved).max() > 1e-3


@pytest.mark.parametrize(
    ("labeled", "unlabeled", "steps"), [(1000, 49_000, 61_280), (300, 100, 400)]
)
def test_the_code_passes_over_the_larger_set_eighty_times(labeled, unlabeled, steps):
    """80 times 766 batches of 64, and 80 times 5."""
    (phase,) = made(waal_code, **{"waal_code.epochs": 80}).phases
    assert phase.num_steps(labeled, unlabeled) == steps
    assert phase.inputs[:2] == (64, 64)


def test_the_codes_momentum_and_rate_are_its_own():
    """Whatever stage 1 and stage 2 have elsewhere."""
    usual = states(made(waal_code, **SHORT))[-1]
    changes = {"train.learning_rate": 0.5, "train.weight_decay": 0.1, "da.beta": 9.0}
    chex.assert_trees_all_equal(usual, states(made(waal_code, **SHORT, **changes))[-1])
    other = states(made(waal_code, **SHORT, **{"waal_code.momentum": 0.9}))[-1]
    moved = usual.model.params["hidden"] - other.model.params["hidden"]
    assert np.abs(moved).max() > 0


def test_infused_its_critic_sees_mixtures_that_are_refitted():
    plain, infused = made(**SHORT), made(**SHORT, infuse="gmm")
    assert infused.gives == plain.gives | adversary.LIKELIHOODS
    assert infused.phases[1].refresh_every == 1 and plain.phases[1].refresh is None
    outcome, chunks = worlds.cycle(*worlds.world(infused, chunk=1))
    first, second = (chunk.state.own.critic.unlabeled.means for chunk in chunks[1:])
    assert np.abs(first - second).max() > 0
    assert np.isfinite(list(outcome.diagnostics.values())).all()
    assert {"critic/binary_entropy", "gmm/rho"} <= outcome.diagnostics.keys()
