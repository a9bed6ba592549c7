"""snapshot: cross-entropy, and a committee of the network's earlier states."""

from gmmal_jax.config import SnapshotConfig, TrainConfig
from gmmal_jax.phases import snapshots, task
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.extend import extend
from gmmal_jax.phases.network import Network


def make(network: Network, train: TrainConfig, snapshot: SnapshotConfig) -> Learner:
    """Stage 1 with the column `member_logits`.

    Source: Jung, Kim and Lee, 2023. Ours: the recipe of all learners (step decay, no
    stochastic weight averaging), so that accuracies can be compared; theirs is
    `--preset official`.
    """
    learner = task.make(network, (), train)
    return extend(learner, snapshots.committee(network, train, snapshot))
