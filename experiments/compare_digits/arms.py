"""What is compared: arms, seeds, and the order in which they run."""

from collections.abc import Iterator
from typing import Any

from experiments import primary
from experiments.jobs import Job
from gmmal_jax import methods

EXPLORED = tuple(range(5))
"""Seeds of the arms that are no primary ones."""
WORLDS = {
    "balanced": "compare_balanced",
    "imbalanced": "compare_imbalanced",
}
"""Setting -> key of `first_check.worlds.WORLDS`."""
SPREAD = "balance_kmeans"
"""The paper's construction of a batch."""
BESIDE = {
    **{
        f"{query}, {SPREAD}": {"query": query, "select.diversity": SPREAD}
        for query in ("random", "entropy", "margin")
    },
    "gmm, none": {"query": "gmm", "select.diversity": "none"},
}
"""Queries with another construction than their own, under the primary training."""
CONTROLS = ("fixmatch", "pseudo_label")
"""Learners that every reviewer asks for, with random choice."""


def primary_arm(query: str) -> str:
    """How tables call a query under the primary training."""
    return f"{query} / {primary.LEARNER}"


def main_arms() -> dict[str, dict[str, Any]]:
    """The arms of `primary`, by name: changes of the recipe."""
    queries = (primary.QUERY, *primary.OTHERS)
    return {
        primary_arm(query): {"learn": primary.LEARNER, "query": query}
        for query in queries
    }


def other_arms() -> dict[str, dict[str, Any]]:
    """The exploratory arms: constructions, every method as it comes, the controls."""
    found = {
        f"{name} / {primary.LEARNER}": {"learn": primary.LEARNER} | changes
        for name, changes in BESIDE.items()
    }
    found |= {
        name: {"method": name} for name in methods.METHODS if name != primary.QUERY
    }
    found |= {
        f"random / {learner}": {"learn": learner, "query": "random"}
        for learner in CONTROLS
    }
    return found


def jobs() -> Iterator[Job]:
    """Pieces of one seed and arm: the exploratory ones first, then seed by seed.

    A mistake in a method is seen in the first hour that way; no primary comparison is
    looked at before it is whole.
    """
    for seeds, arms in ((EXPLORED, other_arms()), (primary.SEEDS, main_arms())):
        for seed in seeds:
            for setting in primary.SETTINGS:
                for arm, changes in arms.items():
                    yield Job(WORLDS[setting], arm, changes, (seed,), "test")
