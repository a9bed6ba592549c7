"""What the critic is trained by: a distance, and a penalty on its slopes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from gmmal_jax.phases import optimizer
from gmmal_jax.phases.adversary import (
    Adversary,
    CriticState,
    critic_inputs,
    decayed,
    judge,
)
from gmmal_jax.phases.network import global_mean, own_rows
from gmmal_jax.types import Key, Metrics, PyTree, StepBatch


def drop(adversary: Adversary, key: Key, mask: jax.Array) -> tuple[jax.Array, ...]:
    """Factors of the critic's hidden units for this device's rows: 0 or 1 / (1 - p).

    Args:
      adversary: its dropout is p; without any there are no factors.
      key: a row's numbers depend on its place in the global batch.
      mask: [b], of this device's rows.
    """
    if not adversary.dropout:
        return ()
    share = 1 - adversary.dropout

    def factors(layer: int, width: int) -> jax.Array:
        own = jax.random.fold_in(key, layer)
        kept = own_rows(
            lambda num: jax.random.bernoulli(own, share, (num, width)), mask
        )
        return kept / share

    return tuple(factors(*layer) for layer in enumerate(adversary.critic.hidden))


def distance(
    adversary: Adversary,
    key: Key,
    params: PyTree,
    inputs: Sequence[jax.Array],
    batch: StepBatch,
) -> jax.Array:
    """This device's share of mean D(unlabeled) - gamma mean D(labeled), equation 3.

    Args:
      adversary: gamma is 1, or |L| / |U| where it goes by counts.
      key: of the units that rest.
      params: of the critic.
      inputs: [b, f] of the labeled batch, and of the unlabeled one.
      batch: their masks, and the counts.
    """
    both = (batch.labeled, batch.unlabeled)
    means = []
    for place, (rows, h) in enumerate(zip(both, inputs, strict=True)):
        assert rows is not None
        kept = drop(adversary, jax.random.fold_in(key, place), rows.mask)
        means.append(global_mean(judge(adversary, params, h, kept), rows.mask))
    if not adversary.by_count:
        return means[1] - means[0]
    assert batch.counts is not None
    labeled, unlabeled = batch.counts.astype(jnp.float32)
    gamma: jax.Array = labeled / jnp.maximum(unlabeled, 1)
    return means[1] - gamma * means[0]


def gradient_penalty(
    adversary: Adversary,
    params: PyTree,
    labeled: jax.Array,
    unlabeled: jax.Array,
    mix: jax.Array,
    kept: Sequence[jax.Array] = (),
) -> jax.Array:
    """[b]: penalty on the critic's slope between pairs of inputs.

    Args:
      adversary: see `slope_penalty`.
      params: of the critic.
      labeled: [b, f] inputs.
      unlabeled: [b, f].
      mix: [b], uniform in [0, 1].
      kept: as in `Critic`.

    Source: section 3.4 (Gulrajani et al.); one-sided is ours (A18).
    """
    between = mix[:, None] * labeled + (1 - mix[:, None]) * unlabeled
    return slope_penalty(adversary, params, between, kept)


def slope_penalty(
    adversary: Adversary,
    params: PyTree,
    points: jax.Array,
    kept: Sequence[jax.Array] = (),
) -> jax.Array:
    """[b]: penalty on the critic's slope at points [b, f].

    One-sided max(0, |slope| - 1)^2 by default, two-sided as option.
    """

    def total(points: jax.Array) -> jax.Array:
        return jnp.sum(judge(adversary, params, points, kept))

    slopes = jax.grad(total)(points)
    # The root's derivative is infinite at 0.
    excess = jnp.sqrt(jnp.sum(jnp.square(slopes), axis=1) + 1e-12) - 1
    if adversary.da.penalty_sides == "one":
        excess = jnp.maximum(excess, 0)
    return jnp.square(excess)


def mean_penalty(
    adversary: Adversary,
    key: Key,
    params: PyTree,
    inputs: Sequence[jax.Array],
    batch: StepBatch,
    resting: Key | None = None,
) -> jax.Array:
    """This device's share of the mean penalty: between the inputs, and at them.

    Args:
      adversary: whether the inputs themselves count; all three means alike then.
      key: of the places between; a row's number depends on its global position.
      params: of the critic.
      inputs: [b, f] of the labeled batch, and of the unlabeled one.
      batch: their masks.
      resting: key of the units that rest, at each of the three; None: none does.
    """
    assert batch.labeled is not None and batch.unlabeled is not None
    labeled, unlabeled = batch.labeled.mask, batch.unlabeled.mask
    mix = own_rows(lambda num: jax.random.uniform(key, (num,)), labeled)

    def kept(place: int, mask: jax.Array) -> tuple[jax.Array, ...]:
        if resting is None:
            return ()
        return drop(adversary, jax.random.fold_in(resting, place), mask)

    both = labeled & unlabeled
    slopes = gradient_penalty(
        adversary, params, inputs[0], inputs[1], mix, kept(0, both)
    )
    between = global_mean(slopes, both)
    if not adversary.penalize_ends:
        return between
    ends = [
        global_mean(slope_penalty(adversary, params, h, kept(place, mask)), mask)
        for place, (h, mask) in enumerate(
            zip(inputs, (labeled, unlabeled), strict=True), 1
        )
    ]
    return (between + ends[0] + ends[1]) / 3


def critic_step(
    adversary: Adversary,
    key: Key,
    state: CriticState,
    latents: tuple[jax.Array, jax.Array],
    batch: StepBatch,
) -> tuple[CriticState, Metrics]:
    """One step of the critic towards 1 on unlabeled and 0 on labeled latents.

    Args:
      adversary: static parts.
      key: for the penalty's mixing, and from fold_in(key, 1) for units that rest.
      state: before.
      latents: ([b, d] labeled, [b, d] unlabeled), constants.
      batch: masks, clock and counts.

    Source: equation 3, gradient penalty as `gradient_penalty`.
    """
    da = adversary.da
    inputs = [
        jax.lax.stop_gradient(critic_inputs(adversary, state, z)) for z in latents
    ]
    resting = jax.random.fold_in(key, 1)

    def objective(params: PyTree) -> tuple[jax.Array, tuple[None, Metrics]]:
        gap = distance(adversary, resting, params, inputs, batch)
        penalty = mean_penalty(adversary, key, params, inputs, batch)
        loss = da.penalty_weight * penalty - gap
        metrics = {"critic/gap": gap, "critic/penalty": penalty, "critic/loss": loss}
        return loss, (None, metrics)

    rate = decayed(adversary, batch.clock, da.critic_learning_rate)
    done = optimizer.minimize(
        adversary.optimizer, objective, state.params, state.moments, rate
    )
    return state._replace(params=done.params, moments=done.moments), done.metrics
