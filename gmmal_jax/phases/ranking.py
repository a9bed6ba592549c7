"""A module that ranks images by their loss, learned from the pairs of a batch."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.devices import total
from gmmal_jax.models.loss_head import LossHead
from gmmal_jax.phases.losses import AuxLoss
from gmmal_jax.phases.network import Network, cross_entropy, mirrored, places
from gmmal_jax.types import AXIS, Key, Outputs, PyTree, StepBatch

TAUGHT = 0.6
"""Share of the steps in which the network feels the module: 120 of 200 epochs."""

PairLoss = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""(predicted [b], true losses [b], mask [b]) -> this device's share of the mean."""


def make(network: Network, name: str, pair_loss: PairLoss, column: str) -> AuxLoss:
    """The module's loss on the pairs of a batch, and its column.

    Args:
      network: whose maps the module reads.
      name: of the loss.
      pair_loss: of predictions and true losses.
      column: name of what the module predicts.

    Source: Learning Loss for Active Learning (Yoo & Kweon), weight 1.
    """
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
        name=name,
        weight=1.0,
        loss=loss,
        init=init,
        gate=lambda clock: clock.before(TAUGHT).astype(jnp.float32),
        gives=frozenset({column}),
        columns=lambda params, outputs: {column: predict(params, outputs)},
    )


def hinge(
    predicted: Float[Array, " b"], losses: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """LL4AL's loss of a pair: max(0, 1 - s (p_i - p_j)), s the sign of l_i - l_j.

    Args:
      predicted: of this device's rows.
      losses: likewise, constants.
      mask: see `mean_of_pairs`.
    """
    ordered = _sign(losses, mask) * (predicted - mirrored(predicted, mask))
    return mean_of_pairs(jnp.maximum(0.0, 1.0 - ordered), mask)


def rank_loss(
    predicted: Float[Array, " b"], losses: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """TA-VAAL's: binary cross-entropy of sigmoid(r_i - r_j) with whether l_i > l_j.

    Args:
      predicted: r of this device's rows.
      losses: l likewise, constants.
      mask: see `mean_of_pairs`.
    """
    ordered = _sign(losses, mask) * (predicted - mirrored(predicted, mask))
    return mean_of_pairs(jax.nn.softplus(-ordered), mask)


def _sign(losses: jax.Array, mask: jax.Array) -> jax.Array:
    """1 where a row's loss is above its partner's, else -1: also where they tie."""
    return jnp.where(losses > mirrored(losses, mask), 1.0, -1.0)


def mean_of_pairs(
    each: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """This device's share of the mean over the global batch's pairs (i, n - 1 - i).

    Args:
      each: of this device's rows, of n in all; a pair's value is that of its i < n / 2.
        An odd middle has no partner.
      mask: the batch's first n are true, the rest is padding.
    """
    pairs = total(mask.sum(), AXIS) // 2
    return jnp.where(places(mask) < pairs, each, 0.0).sum() / jnp.maximum(pairs, 1)
