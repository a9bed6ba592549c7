"""The arms that are reported on test data, and which differences are asked of them."""

from typing import NamedTuple

from experiments.first_check.tune import CHOSEN, Changes
from experiments.jobs import Job
from gmmal_jax.config import presets

SEEDS = tuple(range(10))
PLAIN = "random none"
QUERIES: dict[str, Changes] = {
    f"{query} {construction}": {"query": query, "select.diversity": construction}
    for query in ("random", "entropy", "gmm")
    for construction in ("none", "balance_kmeans")
}


SMALLER: dict[str, tuple[str, ...]] = {
    "fashion": (PLAIN, "entropy none", "gmm balance_kmeans"),
    "cifar": (PLAIN,),
}
"""Worlds whose images take longer: each query in its own construction, or none."""


def trainings(world: str) -> dict[str, Changes]:
    """Training -> changes of the world's settings, the chosen ones among them."""
    chosen = CHOSEN[world]
    recipe = chosen["ce"]
    reg = recipe | chosen["reg"]
    return {
        "ce": recipe | {"learn": "ce"},
        "reg": reg | {"learn": "reg"},
        "reg_da": reg | chosen["da"] | {"learn": "reg_da"},
    }


def beside(world: str) -> dict[str, Changes]:
    """Trainings that are seen with random queries only: controls, the paper's words."""
    reg = CHOSEN[world]["ce"] | CHOSEN[world]["reg"]
    return {
        "reg, longer": reg | {"learn": "reg_longer"},
        "reg, pool forward": reg | {"learn": "reg_da", "da.beta": 0.0},
        "reg_da, paper's weights": CHOSEN[world]["ce"] | {"learn": "reg_da"},
        "reg_da, literal": CHOSEN[world]["ce"]
        | {"learn": "reg_da"}
        | presets.named(["literal"]),
    }


def jobs(world: str, seeds: tuple[int, ...] = SEEDS) -> list[Job]:
    """All arms of a world, the slow ones last."""
    pairs = [
        (query, training, asked | how)
        for training, how in trainings(world).items()
        for query, asked in QUERIES.items()
    ]
    pairs += [
        (PLAIN, training, QUERIES[PLAIN] | how)
        for training, how in beside(world).items()
        if (world, training) != ("cifar", "reg_da, literal")  # known to collapse
    ]
    if world in SMALLER:
        pairs = [pair for pair in pairs if pair[0] in SMALLER[world]]
    return [
        Job(world, f"{query} / {training}", changes, seeds, "test")
        for query, training, changes in pairs
    ]


class Contrast(NamedTuple):
    """A difference that answers a question.

    Attributes:
      question: in words.
      arm: whose accuracy counts.
      base: whose is subtracted.
      first: 1 where the first cycle's labels are the same for both by nature.
    """

    question: str
    arm: str
    base: str
    first: int = 0


CONTRASTS = (
    Contrast("Reg", f"{PLAIN} / reg", f"{PLAIN} / ce"),
    Contrast("more steps", f"{PLAIN} / reg, longer", f"{PLAIN} / reg"),
    Contrast(
        "BatchNorm sees the pool",
        f"{PLAIN} / reg, pool forward",
        f"{PLAIN} / reg, longer",
    ),
    Contrast("DA", f"{PLAIN} / reg_da", f"{PLAIN} / reg, pool forward"),
    Contrast(
        "DA, paper's weights",
        f"{PLAIN} / reg_da, paper's weights",
        f"{PLAIN} / reg, pool forward",
    ),
    Contrast(
        "all to the letter",
        f"{PLAIN} / reg_da, literal",
        f"{PLAIN} / reg, pool forward",
    ),
    *(
        Contrast(
            f"{query} - {PLAIN}, {training}",
            f"{query} / {training}",
            f"{PLAIN} / {training}",
            1,
        )
        for training in ("ce", "reg", "reg_da")
        for query in QUERIES
        if query != PLAIN
    ),
    *(
        Contrast(
            f"gmm - {other}, both {construction}, {training}",
            f"gmm {construction} / {training}",
            f"{other} {construction} / {training}",
            1,
        )
        for training in ("ce", "reg", "reg_da")
        for other, construction in (
            ("random", "balance_kmeans"),
            ("entropy", "balance_kmeans"),
            ("entropy", "none"),
        )
    ),
)
