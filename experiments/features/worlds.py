"""Pools of features and grids of labels.

The recipe is the preset of features, chosen on validation data (`recipe`, `steps`),
with two settings of less work, for all arms alike: five steps share one subset of Reg,
and mixtures are fitted again every 500 steps, as in the paper, which is when a critic's
training begins and ends. 500 steps of stage 1 serve all numbers of labels: four times
as many are worth 0.7 points at 10,000 labels and nothing up to 3,400 (steps.csv).
"""

from pathlib import Path
from typing import Any, NamedTuple

from experiments.features.data import CHECKED
from gmmal_jax import methods
from gmmal_jax.config import Config

Changes = dict[str, Any]


class World(NamedTuple):
    """What all arms have in common.

    Attributes:
      data: whose features: a file `data_features.npz`.
      setting: of class sizes.
      grid: "paper" or "small".
    """

    data: str
    setting: str
    grid: str

    @property
    def key(self) -> str:
        """How tables call it."""
        return "_".join(self)


SETTINGS = (
    ("cifar10", "balanced"),
    ("cifar10", "imbalanced"),
    ("cifar10", "long_tailed"),
    ("cifar100", "balanced"),
)
"""The four pools: all of the training part, or what a setting leaves of it."""
GRIDS = {
    ("cifar10", "paper"): 1000,
    ("cifar10", "small"): 100,
    ("cifar100", "paper"): 2000,
    ("cifar100", "small"): 1000,
}
"""Labels at first, and bought in each of nine queries; small: 10 to 100 a class."""
CHECK = World("check", "balanced", "small")
"""What `--check` runs."""
COMMON: Changes = {
    "reference": "none",
    "cycles": 10,
    "reg.refit_every": 5,
    "da.refit_every": 500,
}
_FEW: Changes = {"cycles": 4, "initial": 50, "budget": 50}
"""Of 1,600 rows."""


def settings(world: World, features: Path | None) -> Config:
    """The configuration that all arms of a world start from.

    Args:
      world: pool and grid.
      features: the folder of the features; None: `CHECK` alone is wanted.
    """
    if world == CHECK:
        small = {"dataset": f"features:{CHECKED}"} | COMMON | _FEW
        return methods.configure(small)
    assert features is not None
    labels = GRIDS[world.data, world.grid]
    own: Changes = {
        "dataset": f"features:{file(features, world.data)}",
        "setting": world.setting,
        "initial": labels,
        "budget": labels,
    }
    return methods.configure(own | COMMON)


def file(features: Path, data: str) -> Path:
    """Of a data set's features, both parts with their labels."""
    return features / f"{data}_features.npz"


def named(key: str) -> World:
    """The world of a table's key."""
    data, _, rest = key.partition("_")
    return World(data, *rest.rsplit("_", 1))
