"""Checks of the contracts, for whoever writes a strategy or a learner."""

from gmmal_jax.testing.strategies import STRATEGY_CHECKS, check_strategy

__all__ = ["STRATEGY_CHECKS", "check_strategy"]
