"""pseudo_label: cross-entropy, on unlabeled images with the network's own labels.

Source: Pseudo-Label (Lee, 2013; an ICML workshop). Threshold, weight and ramp are those
of Realistic Evaluation of Deep Semi-Supervised Learning (Oliver et al., 2018;
arXiv:1804.09170): Lee learns every label, with a weight of 3 in the end. Steps, rates
and labeled batches are those of every learner here.
"""

import jax
import jax.numpy as jnp

from gmmal_jax.config import PseudoLabelConfig, TrainConfig
from gmmal_jax.phases import semi_supervised, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.semi_supervised import Recipe
from gmmal_jax.types import Batch, Clock, Key


def make(
    network: Network, train: TrainConfig, pseudo_label: PseudoLabelConfig
) -> Learner:
    """Stage 1 with a second, unlabeled batch that is labeled in the step itself."""

    def views(key: Key, unlabeled: Batch) -> tuple[jax.Array, ...]:
        return (network.augmented(key, unlabeled),)

    def weight(clock: Clock) -> jax.Array:
        risen = clock.step / (pseudo_label.ramp * clock.num_steps)
        return pseudo_label.weight * jnp.minimum(risen, 1.0)

    recipe = Recipe(
        rows=pseudo_label.ratio * train.batch_size,
        views=views,
        threshold=pseudo_label.threshold,
        weight=weight,
    )
    phase = semi_supervised.make_phase(network, train, recipe)
    plain = task.make(network, (), train)
    return plain._replace(phases=(phase,), with_losses=None)
