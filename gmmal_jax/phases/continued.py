"""Training that goes on from the last cycle's network instead of a new one."""

from typing import Any, NamedTuple

from gmmal_jax.phases.base import Learner, with_model
from gmmal_jax.types import Key, ModelState, PyTree


class Continued(NamedTuple):
    """What a cycle hands on.

    Attributes:
      own: what the learner carries itself.
      model: the task network, trained.
    """

    own: Any
    model: ModelState


def continued(learner: Learner) -> Learner:
    """The learner, whose network keeps its weights from cycle to cycle.

    Optimizers, heads and critics are new in every cycle. Which of the two is done
    is a protocol and no part of a method: the public codes of LL4AL, TOD and ADS keep
    the weights, the paper starts anew (section 3.1).
    """

    def init(key: Key, previous: Continued | None) -> PyTree:
        if previous is None:
            return learner.init(key, None)
        return with_model(learner.init(key, previous.own), previous.model)

    def carry(state: PyTree) -> Continued:
        return Continued(learner.carry(state), state.model)

    return learner._replace(init=init, carry=carry)
