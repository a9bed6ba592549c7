"""The losses of a VAE that hides from a discriminator what is labeled.

All are this device's shares of losses of the global batch, which holds labeled rows in
its first half and as many unlabeled ones in its second. `masks` are those of the
halves, [b] each.

Source: Variational Adversarial Active Learning (Sinha et al., 2019, arXiv 1904.00370),
section 3.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.phases.network import global_mean

Masks = tuple[Bool[Array, " b"], Bool[Array, " b"]]
Share = Float[Array, ""]


def reconstruction(
    images: Float[Array, "n h w ch"], decoded: Float[Array, "n h w ch"], masks: Masks
) -> Share:
    """Mean squared error of the labeled rows' pixels, plus that of the others'."""
    errors = jnp.mean(jnp.square(decoded - images), axis=(1, 2, 3))
    return _halves(errors, errors, masks)


def divergence(
    mean: Float[Array, "n d"],
    log_variance: Float[Array, "n d"],
    masks: Masks,
    reduction: str,
) -> Share:
    """KL of N(mean, variance) from N(0, 1) of the labeled rows, plus the others'.

    Args:
      mean: of the latents.
      log_variance: likewise.
      masks: of the halves.
      reduction: over the rows of a half and latents, "sum" or "mean".
    """
    each = 0.5 * (jnp.exp(log_variance) + jnp.square(mean) - 1.0 - log_variance)
    if reduction == "sum":
        return jnp.sum(jnp.where(jnp.concatenate(masks)[:, None], each, 0.0))
    rows = jnp.mean(each, axis=1)
    return _halves(rows, rows, masks)


def fooling(logits: Float[Array, " n"], masks: Masks) -> Share:
    """Binary cross-entropy of the discriminator's logits with "labeled" for all."""
    wrong = jax.nn.softplus(-logits)
    return _halves(wrong, wrong, masks)


def discrimination(logits: Float[Array, " n"], masks: Masks) -> Share:
    """Binary cross-entropy of its logits with the truth: 1 is labeled, 0 is not."""
    return _halves(jax.nn.softplus(-logits), jax.nn.softplus(logits), masks)


def _halves(
    labeled: Float[Array, " n"], unlabeled: Float[Array, " n"], masks: Masks
) -> Share:
    """Mean of the first half of one, plus mean of the second half of the other."""
    cut = masks[0].shape[0]
    first = global_mean(labeled[:cut], masks[0])
    return first + global_mean(unlabeled[cut:], masks[1])
