"""Latents mixed with those of a class, and whether that changes what is predicted."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax import numerics
from gmmal_jax.strategies import scores

_LOOKS = 5
"""Shares that are looked at in learned mode, the start among them."""
_RATE = 0.1
_NORM_WEIGHT = 0.01
_SMALLEST = 1e-8
"""Of a share, and what keeps a division from 0."""


def class_means(
    latents: Float[Array, "n d"], labels: Int[Array, " n"], *, num_classes: int
) -> Float[Array, "c d"]:
    """Mean latents of each class; of all labeled rows where a class has none.

    Args:
      latents: [n, d], finite.
      labels: [n], -1 where there is none.
      num_classes: c.

    Returns:
      [c, d].
    """
    members = jax.nn.one_hot(labels, num_classes, axis=0)
    counts = jnp.sum(members, axis=1, keepdims=True)
    sums = numerics.matmul(members, latents)
    everything = jnp.sum(sums, axis=0) / jnp.maximum(jnp.sum(counts), 1.0)
    return jnp.where(counts > 0, sums / jnp.maximum(counts, 1.0), everything[None, :])


def critical_caps(
    latents: Float[Array, "n d"],
    logits: Float[Array, "n c"],
    anchors: Float[Array, "c d"],
    kernel: Float[Array, "d c"],
) -> Float[Array, " n"]:
    """The cap above which a row's class changes, in closed form.

    With g the gradient of the loss, were the prediction the label, and a cap c, shares
    are c / sqrt(d) |m - z| (g / |g|) / (m - z). The mixed latents are then

        z + c / sqrt(d) |m - z| g / |g|,

    all on one ray from z, whatever the anchor m. With a linear head the region of a
    class is convex: once left on a ray it is not met again. Only the farthest anchor
    counts, and the first t at which another class is ahead on z + t g / |g|.

    Args:
      latents: [n, d], z.
      logits: [n, c].
      anchors: [c, d], m.
      kernel: [d, c], of the head.

    Returns:
      [n]; 0 where two classes tie already, inf where none is ever ahead, as where
      float32 knows no other class than the predicted one.

    Source: Parvaneh et al., 2022 (arXiv:2203.07034), section 3.2; the algebra is ours.
    """
    signals = scores.error_signals(logits)
    signals /= jnp.maximum(jnp.max(jnp.abs(signals), axis=1, keepdims=True), 1e-37)
    gradients = numerics.matmul(signals, kernel.T)
    lengths = jnp.linalg.norm(gradients, axis=1, keepdims=True)
    slopes = numerics.matmul(gradients / jnp.maximum(lengths, 1e-12), kernel)
    predicted = jnp.argmax(logits, axis=1)[:, None]
    slopes -= jnp.take_along_axis(slopes, predicted, axis=1)
    behind = jnp.take_along_axis(logits, predicted, axis=1) - logits
    gaining = slopes > 0
    times = jnp.where(gaining, behind / jnp.where(gaining, slopes, 1.0), jnp.inf)
    # Any origin will do; products of rows far from it would round their distances.
    center = jnp.mean(anchors, axis=0, keepdims=True)
    rows, anchors = latents - center, anchors - center
    both = jnp.sum(rows**2, axis=1)[:, None] + jnp.sum(anchors**2, axis=1)[None, :]
    squares = numerics.squared_gaps(both, numerics.matmul(rows, anchors.T))
    farthest = jnp.sqrt(jnp.max(squares, axis=1))
    first = jnp.min(times, axis=1) * math.sqrt(latents.shape[1])
    return jnp.where(farthest > 0, first / jnp.maximum(farthest, 1e-37), jnp.inf)


def mixing_loss(
    shares: Float[Array, " d"],
    latent: Float[Array, " d"],
    anchor: Float[Array, " d"],
    label: Int[Array, ""],
    kernel: Float[Array, "d c"],
    bias: Float[Array, " c"],
) -> tuple[Float[Array, ""], Float[Array, " c"]]:
    """What learned shares of one row make small: the label's log-probability.

    Args:
      shares: [d], how much of the anchor is mixed in.
      latent: [d].
      anchor: [d].
      label: the predicted class.
      kernel: [d, c].
      bias: [c].

    Returns:
      Log-probability plus 0.01 times the norm of the shares, and the logits [c].
    """
    mixed = latent + shares * (anchor - latent)
    logits = numerics.matmul(mixed, kernel) + bias
    log_prob = jax.nn.log_softmax(logits)[label]
    return log_prob + _NORM_WEIGHT * jnp.sqrt(jnp.sum(shares**2)), logits


def changes_by_learning(
    start: Float[Array, " d"],
    latent: Float[Array, " d"],
    anchor: Float[Array, " d"],
    label: Int[Array, ""],
    kernel: Float[Array, "d c"],
    bias: Float[Array, " c"],
    cap: Float[Array, ""],
) -> Bool[Array, ""]:
    """Whether one row's class changes with the start or with the shares learned next.

    Each step is the first one of Adam at rate 0.1, as the authors' code sets it up anew
    for each, and leaves the shares between 1e-8 and the cap. Four steps count: after
    its fifth, which alone has a smaller rate, that code does not look again.

    Args:
      start: [d], shares.
      latent: as in `mixing_loss`, as are those that follow.
      anchor: likewise.
      label: likewise.
      kernel: likewise.
      bias: likewise.
      cap: the largest share.

    Returns:
      Bool [].
    """
    slope = jax.grad(mixing_loss, has_aux=True)

    def look(_: jax.Array, state: tuple[Array, jax.Array]) -> tuple[Array, jax.Array]:
        shares, changed = state
        gradient, logits = slope(shares, latent, anchor, label, kernel, bias)
        shares -= _RATE * gradient / (jnp.abs(gradient) + _SMALLEST)
        changed |= jnp.argmax(logits) != label
        return jnp.clip(shares, _SMALLEST, cap), changed

    begin = (jnp.clip(start, _SMALLEST, cap), jnp.zeros((), bool))
    changed: jax.Array = jax.lax.fori_loop(0, _LOOKS, look, begin)[1]
    return changed
