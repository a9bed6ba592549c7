"""How long a piece takes: as long as others of its kind, or as was measured before."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from experiments import tables
from experiments.comparison import Piece, Row, piece
from experiments.features import worlds
from experiments.features.work import SECONDS

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


def seconds(rows: Sequence[Row]) -> dict[Piece, float]:
    """Of each piece on record, all its cycles."""
    spent: dict[Piece, float] = defaultdict(float)
    for row in rows:
        spent[piece(row)] += float(row[SECONDS])
    return dict(spent)


def of(wanted: Piece, spent: Mapping[Piece, float]) -> float:
    """Seconds that a piece will take, about."""
    world, arm, _ = wanted
    alike = [each for other, each in spent.items() if other[:2] == (world, arm)]
    if alike:
        return mean(alike)
    measured = {row["arm"]: float(row["seconds"]) for row in tables.load(MEASURED)}
    return measured[arm] * FACTORS[worlds.named(world)[:2]]
