"""Numbers on critic and mixtures at the end of a cycle."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from gmmal_jax.mixtures import gaussian, layout, stream
from gmmal_jax.mixtures.em import HEALTHY
from gmmal_jax.phases.adversary import Adversary, CriticState
from gmmal_jax.phases.mixture_loss import SATURATED
from gmmal_jax.types import Column, Mixture, PoolView, Streamed


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: P(a positive scores above a negative), ties half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left").sum()
    up_to = np.searchsorted(ordered, positive, side="right").sum()
    return float((below + up_to) / (2 * len(positive) * len(negative)))


def separation(
    name: str,
    values: np.ndarray,
    probabilities: np.ndarray,
    labeled: np.ndarray,
    held_out: np.ndarray,
) -> dict[str, float]:
    """How well something tells unlabeled rows from labeled ones.

    Args:
      name: of the judge, before the names of the numbers.
      values: [n], larger where a row looks unlabeled.
      probabilities: [n], of looking unlabeled.
      labeled: bool [n].
      held_out: [m], values of the evaluation part, which no training has seen; labeled
        rows are in training by their nature.

    Returns:
      Mean binary entropy (nats), and area under the ROC curve of either.
    """
    q = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q))
    return {
        f"{name}/binary_entropy": float(entropy.mean()),
        f"{name}/auc": auc(values[~labeled], values[labeled]),
        f"{name}/held_out_auc": auc(held_out, values[labeled]),
    }


def diagnose(
    adversary: Adversary,
) -> Callable[[CriticState, PoolView, dict[str, Any]], dict[str, float]]:
    """Numbers on the critic, and on its mixtures if it has any, at a cycle's end."""

    def run(
        critic: CriticState, view: PoolView, held_out: dict[str, Any]
    ) -> dict[str, float]:
        value = view.columns["critic"]
        q = value if adversary.da.output == "sigmoid" else expit(value)
        result = separation("critic", value, q, view.labeled, held_out["critic"])
        if not adversary.mixtures:
            return result
        result["gmm/rho"] = float(critic.health)
        result["gmm/live_components"] = float(critic.live)
        mixtures = {"labeled": critic.labeled, "pool": critic.unlabeled}
        saturated = _saturated(view.columns["latents"], mixtures)
        for name, mixture in mixtures.items():
            result[f"gmm/saturated_posteriors_{name}"] = saturated[name]
            present = np.asarray(mixture.weights) > 0
            smallest = np.asarray(mixture.variances)[present].min(initial=np.inf)
            result[f"gmm/smallest_variance_{name}"] = float(smallest)
        return result

    return run


def doubts(numbers: Mapping[str, float]) -> list[str]:
    """What deserves distrust in a cycle's numbers, a line each."""
    rho = numbers.get("gmm/rho", 0.0)
    if rho <= HEALTHY:
        return []
    return [
        f"gmm/rho {rho:.1e}: the mixture's components are too narrow for how far they "
        "lie apart, and its log-likelihoods lose digits; raise --gmm.variance-floor"
    ]


def _saturated(latents: Column, mixtures: Mapping[str, Mixture]) -> dict[str, float]:
    """Share of the rows that a mixture is sure of, of each mixture; read once."""
    counts = dict.fromkeys(mixtures, 0)
    rows = layout.chunk_rows(latents.shape[1])
    streamed = isinstance(latents, Streamed)
    for chunk in stream.chunks(latents, rows) if streamed else (jnp.asarray(latents),):
        for name, mixture in mixtures.items():
            counts[name] += int(_num_saturated(chunk, mixture))
    return {name: count / latents.shape[0] for name, count in counts.items()}


@jax.jit
def _num_saturated(latents: jax.Array, mixture: Mixture) -> jax.Array:
    best = gaussian.log_posteriors(latents, mixture).max(axis=1)
    return jnp.sum(best > np.log(SATURATED))
