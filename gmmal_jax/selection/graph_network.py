"""A graph network that tells labeled rows from unlabeled ones by their features.

The graph joins every row with every other, by the cosine of their features. Its matrix
is the identity, a diagonal and a product of the features, and is never formed: time and
memory are linear in the rows.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Float

from gmmal_jax import numerics
from gmmal_jax.config import CoreGCNConfig
from gmmal_jax.types import Key

Array = jax.Array | np.ndarray

_ALONE = 1e-4
"""Column sums that are smaller are rounding, or cosines that cancel: no neighbours."""
_HALVES = 2
"""Numbers of 16 bits that a random word gives."""


class Graph(NamedTuple):
    """A = S diag(1 / c) + I, with S the cosines of different rows, c its column sums.

    Attributes:
      features: [n, d], rows of length 1; zeros: the row has no edge.
      squares: [n], their squared lengths: 1 or 0, and what rounding makes of it.
      shares: [n], 1 / c; 0 where a row has no edges.
    """

    features: jax.Array
    squares: jax.Array
    shares: jax.Array


class Network(NamedTuple):
    """Parameters of the two layers: kernel [h, d], bias [h], weights [h], offset []."""

    kernel: jax.Array
    bias: jax.Array
    weights: jax.Array
    offset: jax.Array


class Sides(NamedTuple):
    """Which rows are labeled, and which are unlabeled members of the graph; [n]."""

    labeled: Array
    unlabeled: Array


def build(features: Float[Array, "n d"], members: Bool[Array, " n"]) -> Graph:
    """The graph of some rows.

    Columns of S are divided by their sums, as the authors' code does. Rows whose sum is
    not positive (possible where features are negative) keep no edges.

    Args:
      features: [n, d], finite where `members` is true.
      members: [n]; other rows have no edges and change nothing.

    Source: Caramalau et al., 2021 (arXiv:2006.10219).
    """
    features = numerics.directions(jnp.where(members[:, None], features, 0.0))
    squares = jnp.sum(features**2, axis=1)
    sums = numerics.matmul(features, jnp.sum(features, axis=0)) - squares
    shares = jnp.where(sums > _ALONE, 1.0 / jnp.maximum(sums, _ALONE), 0.0)
    return Graph(features, squares, shares)


def spread(graph: Graph, values: Float[jax.Array, "n p"]) -> Float[jax.Array, "n p"]:
    """A times values, by A V = X (X' (V / c)) - |x|^2 V / c + V.

    Args:
      graph: of n rows.
      values: [n, p].
    """
    shared = values * graph.shares[:, None]
    # (V / c)' X in place of X' (V / c), which XLA's CPU backend would copy X for.
    collected = numerics.matmul(shared.T, graph.features)
    others = numerics.matmul(graph.features, collected.T)
    return others - graph.squares[:, None] * shared + values


def start(key: Key, num_features: int, hidden: int) -> Network:
    """Parameters drawn uniformly from +-1 / sqrt(outputs of the layer).

    Args:
      key: of the draws.
      num_features: d.
      hidden: h.
    """

    def draw(number: int, shape: tuple[int, ...], outputs: int) -> jax.Array:
        bound = outputs**-0.5
        k_part = jax.random.fold_in(key, number)
        return jax.random.uniform(k_part, shape, minval=-bound, maxval=bound)

    return Network(
        draw(0, (hidden, num_features), hidden),
        draw(1, (hidden,), hidden),
        draw(2, (hidden,), 1),
        draw(3, (), 1),
    )


def embed(network: Network, inputs: Float[jax.Array, "n d"]) -> Float[jax.Array, "n h"]:
    """The hidden layer, relu(A X W' + b), of inputs A X."""
    return jax.nn.relu(
        numerics.matmul(inputs, network.kernel.T) + network.bias[None, :]
    )


def log_odds(
    network: Network, graph: Graph, hidden: Float[jax.Array, "n h"]
) -> Float[jax.Array, " n"]:
    """Log-odds that rows are labeled ones: the second layer, before its sigmoid."""
    values = numerics.matmul(hidden, network.weights)
    return spread(graph, values[:, None])[:, 0] + network.offset


def loss(
    logits: Float[jax.Array, " n"], sides: Sides, unlabeled_weight: float
) -> jax.Array:
    """-mean over labeled log q - weight * mean over unlabeled log(1 - q).

    Args:
      logits: [n], log-odds of q.
      sides: a side without rows adds nothing.
      unlabeled_weight: of the second mean.
    """

    def mean(values: jax.Array, rows: Array) -> jax.Array:
        number = jnp.maximum(jnp.sum(rows), 1)
        return jnp.sum(jnp.where(rows, values, 0.0)) / number

    ones = mean(jax.nn.log_sigmoid(logits), sides.labeled)
    zeros = mean(jax.nn.log_sigmoid(-logits), sides.unlabeled)
    return -ones - unlabeled_weight * zeros


def train(
    key: Key,
    network: Network,
    graph: Graph,
    inputs: Float[jax.Array, "n d"],
    sides: Sides,
    options: CoreGCNConfig,
) -> Network:
    """Adam on the whole graph, with dropout between the layers.

    Args:
      key: of the dropout.
      network: the start.
      graph: of n rows.
      inputs: [n, d], A X, which no step changes.
      sides: what the network learns to tell apart.
      options: steps, rates, weights and dropout.

    Returns:
      The trained network.

    Source: Caramalau et al., 2021, and its code.
    """
    adam = optax.chain(
        optax.add_decayed_weights(options.weight_decay),
        optax.adam(options.learning_rate),
    )

    def objective(network: Network, k_step: Key) -> jax.Array:
        hidden = _dropout(k_step, embed(network, inputs), options.dropout)
        return loss(log_odds(network, graph, hidden), sides, options.unlabeled_weight)

    def step(
        carry: tuple[Network, optax.OptState], number: jax.Array
    ) -> tuple[tuple[Network, optax.OptState], None]:
        network, moments = carry
        gradients = jax.grad(objective)(network, jax.random.fold_in(key, number))
        updates, moments = adam.update(gradients, moments, network)
        moved: Network = optax.apply_updates(network, updates)
        return (moved, moments), None

    begin = (network, adam.init(network))
    (trained, _), _ = jax.lax.scan(step, begin, jnp.arange(options.steps))
    return trained


def _dropout(
    key: Key, hidden: Float[jax.Array, "n h"], rate: float
) -> Float[jax.Array, "n h"]:
    """Leave out a share of the units, exact to 1 / 65,536; two units share a word."""
    left_out = round(rate * 2**16)
    if not left_out:
        return hidden
    num_rows, width = hidden.shape
    words = jax.random.bits(key, (num_rows, -(-width // _HALVES)))
    numbers = jnp.concatenate([words & 0xFFFF, words >> 16], axis=1)[:, :width]
    kept = numbers >= left_out
    return jnp.where(kept, hidden / (1 - left_out / 2**16), 0.0)
