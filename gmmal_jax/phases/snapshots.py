"""A committee of one network's states in the course of its training."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gmmal_jax.config import SnapshotConfig, TrainConfig
from gmmal_jax.phases import weight_averaging
from gmmal_jax.phases.extend import Beside, Extended, Extension
from gmmal_jax.phases.network import Network
from gmmal_jax.phases.weight_averaging import Mean
from gmmal_jax.types import Clock, Key, Metrics, ModelState, PyTree, StepBatch

GIVES = frozenset({"member_logits"})
"""The column of a committee: [b, members, c], one distribution a member."""


class Committee(NamedTuple):
    """The extension's own state.

    Attributes:
      members: networks, stacked; without the last one where the learner holds it.
      mean: of the network's weights; None: they are not averaged.
    """

    members: ModelState
    mean: Mean | None


def committee(
    network: Network, train: TrainConfig, snapshot: SnapshotConfig
) -> Extension:
    """Snapshots beside any learner's steps; those of the last phase remain.

    Of the last one that trains the network: where a critic or a VAE learns beside a
    network that is frozen, all members would be that network.

    A member is a whole network, BatchNorm's running averages too. The last one is the
    learner's network itself, which is why the state holds one network less: all of them
    only where the learner's becomes the mean of its states. Members vote by the
    network's own classifier.

    Args:
      network: that the learner trains.
      train: the batch of the pass that follows averaging.
      snapshot: how many, and when; whether weights are averaged.

    Source: Jung, Kim and Lee, 2023 (snapshots of one run of SGD, evenly spaced). Ours:
    the learner's own schedule, where theirs is `--train.schedule swa`.
    """
    averages = snapshot.average
    shares = times(snapshot) if averages else times(snapshot)[:-1]

    def init(key: Key, base: Any, previous: None) -> Committee:
        def repeat(leaf: jax.Array) -> jax.Array:
            return jnp.broadcast_to(leaf, (len(shares), *leaf.shape))

        mean = weight_averaging.init(base.model) if averages else None
        return Committee(jax.tree.map(repeat, base.model), mean)

    def step(key: Key, state: Extended, batch: StepBatch) -> tuple[Extended, Metrics]:
        now = due(batch.clock, shares)
        # All devices agree on the clock. Most steps write nothing.
        kept = jax.lax.cond(
            now.any(),
            _written,
            lambda kept, *_: kept,
            state.own.members,
            state.model,
            now,
        )
        mean = state.own.mean and weight_averaging.after_step(
            state.own.mean, state.model.params, batch.clock, snapshot.start
        )
        return state._replace(own=Committee(kept, mean)), {}

    def readout(
        own: Committee, columns: dict[str, jax.Array], images: jax.Array
    ) -> dict[str, jax.Array]:
        seen = network.normalized(images)
        members = jax.lax.map(
            lambda one: network.predict(one, seen).logits, own.members
        )
        if not averages:
            members = jnp.concatenate([members, columns["logits"][None]])
        return {"member_logits": jnp.moveaxis(members, 0, 1)}

    return Extension(
        GIVES,
        init,
        phases=(weight_averaging.phase(network, train),) if averages else (),
        beside=Beside(step, frozen=False),
        readout=readout,
    )


def times(snapshot: SnapshotConfig) -> tuple[float, ...]:
    """Shares of a phase's steps after which members are taken; the last one is 1."""
    num, start = snapshot.members, snapshot.start
    return tuple(start + (1 - start) * (i + 1) / num for i in range(num))


def due(clock: Clock, shares: tuple[float, ...]) -> jax.Array:
    """Bool [members]: whose share of the steps, rounded, ends with this step.

    Several may in a phase of a few steps. Each has its step, whatever the length, and
    wherever chunks end.
    """
    after = clock._replace(step=clock.step + 1)
    return jnp.stack([clock.before(s) & ~after.before(s) for s in shares])


def _written(kept: PyTree, model: PyTree, now: jax.Array) -> PyTree:
    """The members with the network in place of those that are due."""

    def write(old: jax.Array, new: jax.Array) -> jax.Array:
        places = now.reshape(-1, *[1] * new.ndim)
        return jnp.where(places, new[None], old)

    return jax.tree.map(write, kept, model)
