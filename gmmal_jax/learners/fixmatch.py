"""fixmatch: labels of weakly changed images, learned on strongly changed ones.

Source: FixMatch (Sohn et al., 2020; arXiv:2001.07685), with RandAugment's changes. The
paper trains for 2^20 steps of 64 labeled images by a cosine schedule with Nesterov
momentum; here steps, rates and labeled batches are those of every learner, so that they
compare, and the average of the parameters warms up, as runs of some hundred steps are
over before an average of 1,000 has forgotten the first weights.
"""

import jax
import jax.numpy as jnp

from gmmal_jax.config import FixMatchConfig, TrainConfig
from gmmal_jax.phases import semi_supervised, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.semi_supervised import Recipe
from gmmal_jax.types import Batch, Clock, Key


def make(network: Network, train: TrainConfig, fixmatch: FixMatchConfig) -> Learner:
    """Stage 1 with unlabeled images in two views; the parameters' average is read."""

    def views(key: Key, unlabeled: Batch) -> tuple[jax.Array, ...]:
        weak = network.augmented(jax.random.fold_in(key, 0), unlabeled)
        strong = network.strongly_augmented(jax.random.fold_in(key, 1), unlabeled)
        return weak, strong

    def weight(clock: Clock) -> jax.Array:
        return jnp.asarray(fixmatch.weight)

    recipe = Recipe(
        rows=fixmatch.ratio * train.batch_size,
        views=views,
        threshold=fixmatch.threshold,
        weight=weight,
    )
    phase = semi_supervised.make_phase(network, train, recipe)
    plain = task.make(network, (), train)
    learner = plain._replace(phases=(phase,), with_losses=None)
    return semi_supervised.with_average(learner, fixmatch.average)
