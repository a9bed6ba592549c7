"""Row-wise acquisition scores that several strategies share; higher = ask first."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

Array = jax.Array | np.ndarray


def entropy(logits: Float[Array, "n c"]) -> Float[jax.Array, " n"]:
    """Entropy of the softmax, in nats.

    Args:
      logits: [n, c]; -inf stands for probability 0.

    Returns:
      [n], in [0, log c].

    Source: I_Ent of eq. 5 (section 3.5).
    """
    log_probs, _ = log_softmax_and_others(logits)
    # 0 log 0 is 0, but 0 * -inf is NaN.
    terms = jnp.where(jnp.isneginf(log_probs), 0.0, -jnp.exp(log_probs) * log_probs)
    return jnp.sum(terms, axis=1)


def margin(logits: Float[Array, "n c"]) -> Float[jax.Array, " n"]:
    """One minus the gap between the two largest probabilities: 1 - (p1 - p2).

    Args:
      logits: [n, c], c >= 2.

    Returns:
      [n], in [0, 1]; 1 where two classes tie for the largest probability.

    Source: margin sampling; the form 1 - (p1 - p2) is ours.
    """
    log_probs, others = log_softmax_and_others(logits)
    probs = jnp.where(others, jnp.exp(log_probs), 0.0)
    return jnp.sum(probs, axis=1) + jnp.max(probs, axis=1)


def least_confidence(logits: Float[Array, "n c"]) -> Float[jax.Array, " n"]:
    """One minus the largest probability.

    Args:
      logits: [n, c].

    Returns:
      [n], in [0, 1 - 1/c].

    Source: least-confidence sampling.
    """
    log_probs, others = log_softmax_and_others(logits)
    return jnp.sum(jnp.where(others, jnp.exp(log_probs), 0.0), axis=1)


def variation_ratio(logits: Float[Array, "n m c"]) -> Float[jax.Array, " n"]:
    """Share of a committee's votes that are not for its most frequent class.

    Args:
      logits: [n, m, c], of m members; NaN where one broke down.

    Returns:
      [n], in [0, 1 - 1/m]; multiples of 1/m.

    Source: Freeman, 1965, as in query by committee.
    """
    votes = jnp.argmax(jnp.asarray(logits), axis=2)
    alike = votes[:, :, None] == votes[:, None, :]
    most = jnp.max(jnp.sum(alike, axis=2), axis=1)
    members = votes.shape[1]
    return (members - most).astype(jnp.float32) / members


def mean_log_probabilities(logits: Float[Array, "n m c"]) -> Float[jax.Array, "n c"]:
    """Log of the mean of a committee's softmaxes: logits of its mean prediction.

    Args:
      logits: [n, m, c], of m members; -inf stands for probability 0.

    Returns:
      [n, c], nats; exact where probabilities leave float32's range.

    Source: soft voting, as in query by committee.
    """
    log_probs = jax.nn.log_softmax(jnp.asarray(logits, jnp.float32))
    return jax.nn.logsumexp(log_probs, axis=1) - jnp.log(log_probs.shape[1])


def mutual_information(logits: Float[Array, "n m c"]) -> Float[jax.Array, " n"]:
    """Entropy of a committee's mean prediction less its members' mean entropy.

    Args:
      logits: [n, m, c], of m members.

    Returns:
      [n], nats, >= 0: what a label tells about which member is right.

    Source: BALD (Houlsby et al., 2011; arXiv:1112.5745).
    """
    logits = jnp.asarray(logits)
    rows, members, classes = logits.shape
    single = entropy(logits.reshape(rows * members, classes)).reshape(rows, members)
    gained = entropy(mean_log_probabilities(logits)) - jnp.mean(single, axis=1)
    return jnp.maximum(gained, 0.0)


def likelihood_ratio(
    log_lik_unlabeled: Float[Array, " n"], log_lik_labeled: Float[Array, " n"]
) -> Float[jax.Array, " n"]:
    """Log-likelihood under the unlabeled mixture minus that under the labeled one.

    High for rows that are typical of the unlabeled pool and strange for the labeled
    set.

    Args:
      log_lik_unlabeled: [n], log p(z; psi_UL) in nats.
      log_lik_labeled: [n], log p(z; psi_L) in nats.

    Returns:
      [n], nats.

    Source: I_Like, eq. 4 (section 3.5).
    """
    return jnp.asarray(log_lik_unlabeled) - jnp.asarray(log_lik_labeled)


def log_softmax_and_others(
    logits: Float[Array, "n c"],
) -> tuple[Float[jax.Array, "n c"], Bool[jax.Array, "n c"]]:
    """Log-probabilities, and which entries are not the row's (first) largest.

    The largest logit is kept out of the sum: where it holds all of float32's mass, the
    others still order the rows, while 1 - p1 and log(1 + tiny) would round to 0.
    """
    logits = jnp.asarray(logits, jnp.float32)
    top = jnp.argmax(logits, axis=1, keepdims=True)
    others = jnp.arange(logits.shape[1])[None, :] != top
    shifted = logits - jnp.take_along_axis(logits, top, axis=1)
    rest = jnp.sum(jnp.where(others, jnp.exp(shifted), 0.0), axis=1, keepdims=True)
    return shifted - jnp.log1p(rest), others
