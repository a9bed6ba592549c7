"""ll4al: cross-entropy, and a module that learns to rank images by their loss.

Source: Learning Loss for Active Learning (Yoo & Kweon): margin and weight 1, SGD as the
network's, and a gradient that stops after 120 of 200 epochs. Networks start anew every
cycle, as where others compare with it; the paper's go on from the last one's.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.config import TrainConfig
from gmmal_jax.devices import total
from gmmal_jax.models.loss_head import LossHead
from gmmal_jax.phases import task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network, cross_entropy, mirrored, places
from gmmal_jax.types import AXIS, Key, Outputs, PyTree, StepBatch

MARGIN = 1.0
TAUGHT = 0.6
"""Share of the steps in which the network feels the module: 120 of 200 epochs."""


def make(network: Network, train: TrainConfig) -> Learner:
    """Stage 1 with the loss module, whose column is `predicted_loss`."""
    return task.make(network, (ranking_loss(network),), train)


def ranking_loss(network: Network) -> AuxLoss:
    """The module's loss on the pairs of a batch, and its column."""
    head = LossHead()

    def init(key: Key) -> PyTree:
        maps = tuple(jnp.zeros((1, *shape)) for shape in network.map_shapes)
        return head.init(key, maps)

    def predict(params: PyTree, outputs: Outputs) -> jax.Array:
        predicted = head.apply(params, outputs.maps)
        assert isinstance(predicted, jax.Array)
        return predicted

    def loss(params: PyTree, _: None, outputs: Outputs, batch: StepBatch) -> jax.Array:
        labeled = batch.labeled
        assert labeled is not None
        losses = jax.lax.stop_gradient(cross_entropy(outputs.logits, labeled.labels))
        return pair_loss(predict(params, outputs), losses, labeled.mask)

    return AuxLoss(
        name="ranking",
        weight=1.0,
        loss=loss,
        init=init,
        gate=lambda clock: clock.before(TAUGHT).astype(jnp.float32),
        gives=frozenset({"predicted_loss"}),
        columns=lambda params, outputs: {"predicted_loss": predict(params, outputs)},
    )


def pair_loss(
    predicted: Float[Array, " b"], losses: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """This device's share of the mean hinge of the global batch's pairs (i, n - 1 - i).

    Args:
      predicted: of this device's rows, of n in all; an odd middle has no partner.
      losses: likewise, constants.
      mask: the batch's first n are true, the rest is padding.
    """
    pairs = total(mask.sum(), AXIS) // 2
    sign = jnp.where(losses > mirrored(losses, mask), 1.0, -1.0)
    hinge = jnp.maximum(0.0, MARGIN - sign * (predicted - mirrored(predicted, mask)))
    return jnp.where(places(mask) < pairs, hinge, 0.0).sum() / jnp.maximum(pairs, 1)
