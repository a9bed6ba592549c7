"""What several strategies compute of each row; scores: higher = ask first."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from gmmal_jax import numerics
from gmmal_jax.types import Key, PoolView

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


def mutual_information(
    logits_of: Callable[[jax.Array], Float[Array, "n c"]], num_members: int
) -> Float[jax.Array, " n"]:
    """Entropy of a committee's mean prediction less its members' mean entropy, in nats.

    What a row's label would tell about which member is right.

    Args:
      logits_of: number of a member, from 0 -> its logits [n, c]; traced once, so that
        one member's are held at a time.
      num_members: static.

    Returns:
      [n], in [0, log c]; 0 where all members agree, up to rounding.

    Source: BALD (Houlsby et al., 2011, arXiv:1112.5745).
    """

    def add(i: jax.Array, sums: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        logits = jnp.asarray(logits_of(i))
        return sums[0] + jax.nn.softmax(logits), sums[1] + entropy(logits)

    kind = jax.eval_shape(logits_of, jnp.zeros((), jnp.int32))
    begin = (jnp.zeros(kind.shape), jnp.zeros(kind.shape[0]))
    probs, entropies = jax.lax.fori_loop(0, num_members, add, begin)
    gains = entropy(jnp.log(probs)) - entropies / num_members
    return jnp.maximum(gains, 0.0)


def dropout_logits(
    key: Key, view: PoolView, rate: jax.Array | float
) -> Float[jax.Array, "n c"]:
    """What the linear head makes of latents, of which a part is set to zero at random.

    The others are scaled by 1 / (1 - rate), as in training with dropout.

    Args:
      key: of the masks; each row has one of its own, which its id addresses.
      view: a pool with the column `latents` and a head.
      rate: share of the latents that is lost, in [0, 1).
    """
    assert view.head is not None  # `Strategy.needs_head`
    kernel, bias = map(jnp.asarray, view.head)
    latents = jnp.asarray(view.columns["latents"])

    def kept(row: jax.Array) -> jax.Array:
        return jax.random.bernoulli(
            jax.random.fold_in(key, row), 1 - rate, latents.shape[1:]
        )

    masked = jnp.where(jax.vmap(kept)(jnp.asarray(view.ids)), latents, 0.0)
    return numerics.matmul(masked / (1 - rate), kernel) + bias[None, :]


def error_signals(logits: Float[Array, "n c"]) -> Float[jax.Array, "n c"]:
    """Gradient of cross-entropy by the logits, were the prediction the label.

    Args:
      logits: [n, c].

    Returns:
      [n, c]: probabilities less the prediction's one-hot vector, exact also where
      float32 rounds the largest probability to 1.
    """
    log_probs, others = log_softmax_and_others(logits)
    probs = jnp.where(others, jnp.exp(log_probs), 0.0)
    return jnp.where(others, probs, -jnp.sum(probs, axis=1, keepdims=True))


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
