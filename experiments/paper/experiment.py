"""An experiment: arms in worlds, some seeds of each, and what is shown of them."""

import importlib
from typing import Literal, NamedTuple

from experiments.paper import NAMES
from experiments.paper.worlds import World
from gmmal_jax.errors import UserError, unknown

Shown = Literal[
    "accuracy", "labeled_class_entropy", "critic_entropy", "latents", "hardness",
    "timing",
]  # fmt: skip
"""A column of the rows; or latents, or losses of what scores put first, which rows do
not hold; or seconds of stages."""
SEEDS = 5
"""The paper's."""


class Experiment(NamedTuple):
    """A table or a figure of the paper.

    Attributes:
      title: what the paper calls it.
      caption: what it asks.
      worlds: the paper's; where it names none, ours.
      arms: what the paper calls a method -> a key of `arms.ARMS`.
      shown: what is read off the rows.
      less: what the paper calls the arm that is subtracted; "": none.
      tables: numbers of the tables that have the paper's values.
      seen: what the paper calls the arms of which one seed is trained for what rows do
        not hold, see `looks`.
      panels: of maps, see `maps.draw`.
    """

    title: str
    caption: str
    worlds: tuple[World, ...]
    arms: dict[str, str]
    shown: tuple[Shown, ...] = ("accuracy",)
    less: str = ""
    tables: tuple[int, ...] = ()
    seen: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether rows are shown of it."""
        return not {"latents", "hardness", "timing"} & {*self.shown}


class Piece(NamedTuple):
    """What is run and recorded at once.

    Attributes:
      world: of the paper's.
      arm: a key of `arms.ARMS`.
      seed: of the run.
    """

    world: World
    arm: str
    seed: int


def load(name: str) -> Experiment:
    """The experiment of a module's name.

    Raises:
      UserError: there is none of that name.
    """
    if name not in NAMES:
        if name in ("figure_02", "figure_03", "figure_04"):
            raise UserError("a diagram, not an experiment", name, "look at the paper")
        raise unknown("no such table or figure", name, (*NAMES, "all", "status"))
    found: Experiment = importlib.import_module(f"experiments.paper.{name}").EXPERIMENT
    return found


def pieces(experiment: Experiment, seeds: int) -> list[Piece]:
    """All that an experiment needs: a seed of every arm, then the next seed."""
    return [
        Piece(world, arm, seed)
        for seed in range(seeds)
        for world in experiment.worlds
        for arm in dict.fromkeys(experiment.arms.values())
    ]
