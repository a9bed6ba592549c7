"""What a training spends, counted and not timed."""

from gmmal_jax import estimate, train
from gmmal_jax.phases.base import Learner


def cost(
    learner: Learner, chunk: int, labeled: int, pool: int, first_phase: int = 0
) -> dict[str, int]:
    """Optimizer steps of network and critic, and images forwarded, of one cycle.

    Images of the training steps, and the pool at each refit of the mixtures; readouts
    at the cycle's end are the same for all.

    Args:
      learner: whose phases are counted.
      chunk: steps that phases are rounded up to.
      labeled: rows that the cycle trains on.
      pool: rows embedded at a refit.
      first_phase: those before it are not run.
    """
    result = {"network_steps": 0, "critic_steps": 0}
    for phase in learner.phases[first_phase:]:
        steps = train.length(phase, (labeled, pool - labeled), chunk)
        result["network_steps"] += 0 if phase.frozen else steps
        result["critic_steps"] += steps if phase.name in ("alignment", "critic") else 0
    images = estimate.of_training(learner, chunk, labeled, pool, first_phase)
    return result | {"images_forwarded": sum(images)}
