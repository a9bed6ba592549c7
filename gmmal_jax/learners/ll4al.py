"""ll4al: cross-entropy, and a module that learns to rank images by their loss.

Source: Learning Loss for Active Learning (Yoo & Kweon): margin and weight 1, SGD as the
network's, and a gradient that stops after 120 of 200 epochs. Networks start anew every
cycle, as where others compare with it; the paper's go on from the last one's.
"""

from gmmal_jax.config import TrainConfig
from gmmal_jax.phases import ranking, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network


def make(network: Network, train: TrainConfig) -> Learner:
    """Stage 1 with the loss module, whose column is `predicted_loss`."""
    loss = ranking.make(network, "ranking", ranking.hinge, "predicted_loss")
    return task.make(network, (loss,), train)
