"""What gmmal_jax asks of every strategy and learner."""

import numpy as np
from gmmal_tiny import learner, strategy

from gmmal_jax import config as configs, testing
from gmmal_jax.config.presets import preset
from gmmal_jax.testing import learners, strategies

SMALL = {"train.steps": 4, "train.chunk_steps": 2, "train.batch_size": 10,
         "da.steps": 4, "da.refit_every": 2}  # fmt: skip


def test_the_strategy():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, strategies.NUM_ROWS).astype(np.float32)
    testing.check_strategy(strategy.make, {"confidence": confidence})


def test_the_learner():
    train = configs.replace(preset("digits"), **SMALL).train
    learners.check(lambda network: learner.make(network, train), devices=(2,))
