"""The rows that the classifier is least sure of."""

from gmmal_jax.strategies.base import Strategy


def make():
    return Strategy("doubt", frozenset({"confidence"}), score)


def score(key, view):
    return {"doubt": 1 - view.columns["confidence"]}
