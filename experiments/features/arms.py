"""What is compared, and in which order: the primary comparisons, then the others.

Exploratory arms have three seeds, on the small grid alone. Cut for time: no exploratory
arm is on the paper's grid, and those of `HEAVY` are run on CIFAR-10 balanced and
imbalanced only.
"""

from collections.abc import Iterator
from typing import Any

from experiments.features import primary, worlds
from experiments.features.worlds import World
from experiments.jobs import Job
from gmmal_jax import methods

EXPLORED = (0, 1, 2)
SPREAD = "balance_kmeans"
"""The construction of a batch that is the paper's query's own."""
PICTURES = {"vaal", "ta_vaal"}
"""Methods that need pictures."""
HEAVY = {
    *(primary.arm(name) for name in ("core_gcn", "uncertain_gcn", "probcover")),
    *("ads", "waal_code", primary.arm(primary.PLAIN, "fixmatch")),
}
"""Some 300 to 1,000 seconds a piece."""
_SEEDS_AT_ONCE = 4
"""Of an arm in one process: programs are compiled once for them."""
_PRIMARY = tuple(("cifar10", setting) for setting in primary.SETTINGS)
_ORDER = tuple(
    World(*pool, grid) for grid in ("small", "paper") for pool in _PRIMARY[::-1]
)
"""Of the primary worlds: first where people are who have features, and the smaller pool
before the larger one."""


def others() -> dict[str, dict[str, Any]]:
    """Every method as it comes, other constructions, and controls, by name."""
    found: dict[str, dict[str, Any]] = {
        primary.arm(f"{query}, {SPREAD}"): {
            "query": query,
            "learn": primary.LEARNER,
            "select.diversity": SPREAD,
        }
        for query in ("random", "entropy", "margin")
    }
    plain = {"query": primary.QUERY, "learn": primary.LEARNER}
    found[primary.arm("gmm, none")] = plain | {"select.diversity": "none"}
    for name, entry in methods.METHODS.items():
        if entry.learner == primary.LEARNER:
            pair = {"query": entry.query, "learn": entry.learner}
            found[primary.arm(name)] = pair
        elif name not in PICTURES:
            found[name] = {"method": name}
    found |= {
        primary.arm(primary.PLAIN, learner): {"query": primary.PLAIN, "learn": learner}
        for learner in ("fixmatch", "pseudo_label")
    }
    random = {"query": primary.PLAIN}
    twice = {"learn": primary.LEARNER, "train.steps": 1000}
    forward = {"learn": "reg_da", "da.beta": 0.0}
    found[primary.arm(primary.PLAIN, "ce, twice the steps")] = random | twice
    found[primary.arm(primary.PLAIN, "reg, pool forward")] = random | forward
    return primary.arms() | found


def jobs() -> Iterator[Job]:
    """Some seeds of an arm each: primary ones, a world after the other; then others."""
    for world in _ORDER:
        for first in range(0, len(primary.SEEDS), _SEEDS_AT_ONCE):
            seeds = primary.SEEDS[first : first + _SEEDS_AT_ONCE]
            for arm, changes in primary.arms().items():
                yield _job(world, arm, changes, seeds)
    for pool in worlds.SETTINGS:
        for arm, changes in others().items():
            done = pool in _PRIMARY and arm in primary.arms()
            if not done and (pool in _PRIMARY or arm not in HEAVY):
                yield _job(World(*pool, "small"), arm, changes, EXPLORED)


def is_primary(job: Job) -> bool:
    """Whether a piece is part of a primary comparison."""
    world = worlds.named(job.world)
    own = (world.data, world.setting) in _PRIMARY
    return own and job.arm in primary.arms()


def _job(
    world: World, arm: str, changes: dict[str, Any], seeds: tuple[int, ...]
) -> Job:
    return Job(world.key, arm, changes, seeds, "test")
