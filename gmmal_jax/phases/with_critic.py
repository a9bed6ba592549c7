"""Any learner plus a critic, for query strategies that need its score."""

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax.phases import adversary as adversaries, alignment, diagnosis
from gmmal_jax.phases.adversary import Adversary, CriticState
from gmmal_jax.phases.base import Learner, Phase
from gmmal_jax.types import (
    EmbedPool,
    Key,
    Metrics,
    ModelState,
    PoolView,
    PyTree,
    StepBatch,
)


class WithCritic(NamedTuple):
    """Another learner's state beside a critic for its frozen network."""

    base: PyTree
    critic: CriticState

    @property
    def model(self) -> ModelState:
        """The base learner's task network."""
        return self.base.model


def add_critic(learner: Learner, adversary: Adversary) -> Learner:
    """Any learner, plus a critic-only phase and the columns of `adversary.GIVES`."""
    describe = diagnosis.diagnose(adversary)

    def start(key: Key, previous: Any) -> WithCritic:
        return WithCritic(learner.init(key, previous), adversaries.init(adversary, key))

    def readout(state: WithCritic, images: jax.Array) -> dict[str, jax.Array]:
        result = learner.readout(state.base, images)
        return result | adversaries.columns(adversary, state.critic, result["latents"])

    def diagnose_both(
        state: WithCritic, view: PoolView, held_out: dict[str, np.ndarray]
    ) -> dict[str, float]:
        ours = describe(state, view, held_out)
        return learner.diagnose(state.base, view, held_out) | ours

    return Learner(
        gives=learner.gives | adversaries.GIVES,
        init=start,
        phases=(*map(_lift, learner.phases), alignment.critic_phase(adversary)),
        readout=readout,
        carry=lambda state: learner.carry(state.base),
        diagnose=diagnose_both,
    )


def _lift(phase: Phase) -> Phase:
    """A phase of the base learner, acting on `WithCritic.base`."""

    def step(key: Key, state: Any, batch: StepBatch) -> tuple[Any, Metrics]:
        base, metrics = phase.step(key, state.base, batch)
        return state._replace(base=base), metrics

    @cache  # one function object a readout, hence one compilation
    def lift_readout(readout: Any) -> Any:
        return lambda state, images: readout(state.base, images)

    def refresh(key: Key, state: Any, embed_pool: EmbedPool, step: int) -> Any:
        assert phase.refresh is not None

        def embed_base(base: PyTree, readout: Any = None) -> PoolView:
            lifted = None if readout is None else lift_readout(readout)
            return embed_pool(state._replace(base=base), lifted)

        return state._replace(base=phase.refresh(key, state.base, embed_base, step))

    return phase._replace(step=step, refresh=phase.refresh and refresh)
