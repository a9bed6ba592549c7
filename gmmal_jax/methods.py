"""The table of methods: name -> (learner, query strategy)."""

from collections.abc import Callable
from typing import NamedTuple

from gmmal_jax.config import Config
from gmmal_jax.errors import UserError, unknown
from gmmal_jax.learners import ce, reg, reg_da, reg_longer
from gmmal_jax.phases import adversary, with_critic
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import Network
from gmmal_jax.strategies import base, gmm, random, uncertainty
from gmmal_jax.strategies.base import Strategy

LEARNERS: dict[str, Callable[[Network, Config], Learner]] = {
    "ce": ce.make,
    "reg": reg.make,
    "reg_longer": reg_longer.make,
    "reg_da": reg_da.make,
}
"""Training recipes."""

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "gmm": gmm.make,
    "random": random.make,
    "entropy": uncertainty.entropy,
    "margin": uncertainty.margin,
    "least_confidence": uncertainty.least_confidence,
}
"""Query strategies."""

METHODS: dict[str, tuple[str, str]] = {
    "gmm": ("reg_da", "gmm"),
    "random": ("ce", "random"),
    "entropy": ("ce", "entropy"),
    "margin": ("ce", "margin"),
    "least_confidence": ("ce", "least_confidence"),
}
"""Named pairs; every other pair is reached by --learn and --query."""

SOURCES: dict[str, str] = {
    "gmm": "Distribution Aware Active Learning via Gaussian Mixtures",
    "random": "uniform choice",
    "entropy": "largest predictive entropy (Shannon)",
    "margin": "smallest gap of the two best classes (Roth & Small)",
    "least_confidence": "smallest best probability (Lewis & Gale)",
}
"""What each query strategy is, in one line."""


class Method(NamedTuple):
    """A learner and a strategy whose columns meet."""

    learner: Learner
    strategy: Strategy


def resolve(config: Config) -> tuple[str, str]:
    """(learner, strategy) that a configuration names.

    Raises:
      UserError: an unknown name.
    """
    learn, query = METHODS[_known("method", config.method, METHODS)]
    learn, query = config.learn or learn, config.query or query
    return _known("learn", learn, LEARNERS), _known("query", query, STRATEGIES)


def label(config: Config) -> str:
    """How tables and figures call the arm: the method's name, or learner+strategy."""
    pair = resolve(config)
    named = [name for name, other in METHODS.items() if other == pair]
    return named[0] if named else "+".join(pair)


def make(network: Network, config: Config) -> Method:
    """Build the pair; a learner without a critic gets one if the query needs it.

    Raises:
      UserError: unknown names, or a strategy that needs columns the learner lacks.
    """
    learn, query = resolve(config)
    learner, strategy = LEARNERS[learn](network, config), STRATEGIES[query]()
    needs = base.columns_needed(strategy, config.select)
    if needs & adversary.GIVES - learner.gives:
        learner = with_critic.add_critic(learner, adversary.make(network, config))
    missing = sorted(needs - learner.gives)
    if missing:
        remedy = f"--learn {learn} does not give {', '.join(missing)}; choose another"
        raise UserError("--query", query, remedy)
    return Method(learner, strategy)


def _known(option: str, name: str, table: dict) -> str:
    if name not in table:
        raise unknown(f"--{option}", name, table)
    return name
