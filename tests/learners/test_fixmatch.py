"""FixMatch: which view teaches which, its rows, and the queries it goes with."""

import jax.numpy as jnp
import pytest
import tiny

from gmmal_jax import assembly
from gmmal_jax.config import FixMatchConfig, TrainConfig
from gmmal_jax.errors import UserError
from gmmal_jax.learners import fixmatch
from gmmal_jax.testing import worlds
from gmmal_jax.types import Outputs

TRAIN = TrainConfig(steps=2, chunk_steps=2, batch_size=8, learning_rate=0.05)


def trained(network, **changes):
    learner = fixmatch.make(network, TRAIN, FixMatchConfig(**changes))
    return learner, worlds.cycle(*worlds.world(learner))[1][-1]


@pytest.mark.parametrize("strong", [True, False])
def test_weak_views_label_and_strong_ones_learn(strong):
    """The network is sure of white images, and these are the views of one kind."""
    plain = worlds.network()

    def white(key, batch):
        return jnp.ones((*batch.images.shape,), jnp.float32)

    def train(state, images, mask, groups=1):
        outputs, stats = plain.train(state, images, mask, groups)
        sure = jnp.all(images == 1, axis=(1, 2, 3))[:, None]
        first = jnp.where(sure, 20.0 * (jnp.arange(3) == 0)[None], 0.0)
        logits = outputs.logits + first
        return Outputs(logits, outputs.latents, outputs.maps), stats

    view = "strongly_augmented" if strong else "augmented"
    network = plain._replace(train=train, **{view: white})
    metrics = trained(network)[1].metrics["semi_supervised"]
    assert metrics["confident"] == (0 if strong else 1)
    assert (metrics["pseudo_label"] > 0) == (not strong)


def test_rows_of_a_step():
    learner, last = trained(worlds.network(), ratio=3)
    assert learner.phases[0].inputs[:2] == (8, 24)
    assert last.chunk.num_steps == 2


def test_any_query_goes_with_it():
    """The critic of a query that needs one is trained after it, for the average."""
    method = assembly.make(tiny.network(), tiny.config(learn="fixmatch", query="gmm"))
    names = [phase.name for phase in method.learner.phases]
    assert names == ["semi_supervised", "critic"]


def test_a_query_that_brings_a_loss_of_stage_1_is_refused():
    with pytest.raises(UserError, match="--learn fixmatch takes no loss"):
        assembly.make(tiny.network(), tiny.config(learn="fixmatch", query="ta_vaal"))
