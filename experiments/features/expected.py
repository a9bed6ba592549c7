"""How long a piece takes: as long as others of its kind, or as was measured before."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from experiments import tables
from experiments.comparison import Piece, Row, piece
from experiments.features import worlds
from experiments.features.work import SECONDS
from experiments.jobs import Job

MEASURED = Path(__file__).with_name("seconds.csv")
"""Arm -> seconds of a core for a piece on CIFAR-10, balanced, either grid, and where
that is from: a whole piece of the paper's grid, two or three cycles, or a guess."""
FACTORS = {
    ("cifar10", "balanced"): 1.0,
    ("cifar10", "imbalanced"): 0.65,
    ("cifar10", "long_tailed"): 0.55,
    ("cifar100", "balanced"): 2.5,
}
"""How much longer a piece takes on another pool: guesses, by its rows and classes."""


def key(job: Job) -> Piece:
    """What a job of one seed runs."""
    return job.world, job.arm, str(job.seeds[0])


def seconds(rows: Sequence[Row]) -> dict[Piece, float]:
    """Of each piece on record, all its cycles."""
    spent: dict[Piece, float] = defaultdict(float)
    for row in rows:
        spent[piece(row)] += float(row[SECONDS])
    return dict(spent)


def of(job: Job, spent: Mapping[Piece, float]) -> float:
    """Seconds that a piece will take, about."""
    alike = [each for other, each in spent.items() if other[:2] == key(job)[:2]]
    if alike:
        return mean(alike)
    measured = {row["arm"]: float(row["seconds"]) for row in tables.load(MEASURED)}
    return measured[job.arm] * FACTORS[worlds.named(job.world)[:2]]
