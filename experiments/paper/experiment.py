"""An experiment: arms in worlds, some seeds of each, and what is shown of them."""

import importlib
from typing import Literal, NamedTuple

from experiments import beyond
from experiments.paper import NAMES
from experiments.paper.worlds import World
from gmmal_jax.errors import UserError, unknown

Shown = Literal[
    "accuracy", "labeled_class_entropy", "critic_entropy", "latents", "hardness",
    "timing", "unseen_share", "minor_share", "likelihood",
]  # fmt: skip
"""A column of the rows; or latents, or losses of what scores put first, which rows do
not hold; or seconds of stages; or a number of each query's classes; or likelihoods of
latents that no mixture was fitted to."""
COUNTED = {"unseen_share", "minor_share"}
"""What needs the classes of the labels."""
EVERY = (*NAMES, *beyond.NAMES)
"""The paper's, then those beyond it."""
SEEDS = 5
"""The paper's."""


class Experiment(NamedTuple):
    """A table or a figure of the paper, or a question beyond it.

    Attributes:
      title: what the paper calls it, or we do.
      caption: what it asks.
      worlds: the paper's; where it names none, ours.
      arms: what the paper calls a method, or we do -> a key of `beyond.arms.ARMS`.
      shown: what is read off the rows.
      less: what the paper calls the arm that is subtracted; "": none.
      pairs: more differences: whose, and whose is subtracted.
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
    pairs: tuple[tuple[str, str], ...] = ()
    tables: tuple[int, ...] = ()
    seen: tuple[str, ...] = ()
    panels: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether rows are shown of it."""
        return not {"latents", "hardness", "timing", "likelihood"} & {*self.shown}

    @property
    def counted(self) -> bool:
        """Whether the classes of its labels are shown."""
        return bool(COUNTED & {*self.shown})


class Piece(NamedTuple):
    """What is run and recorded at once.

    Attributes:
      world: of the paper's.
      arm: a key of `beyond.arms.ARMS`.
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
    if name not in EVERY:
        if name in ("figure_02", "figure_03", "figure_04"):
            raise UserError("a diagram, not an experiment", name, "look at the paper")
        raise unknown("no such table or figure", name, (*EVERY, "all", "status"))
    package = "paper" if name in NAMES else "beyond"
    module = importlib.import_module(f"experiments.{package}.{name}")
    found: Experiment = module.EXPERIMENT
    return found


def pieces(experiment: Experiment, seeds: int) -> list[Piece]:
    """All that an experiment needs: a seed of every arm, then the next seed."""
    return [
        Piece(world, arm, seed)
        for seed in range(seeds)
        for world in experiment.worlds
        for arm in dict.fromkeys(experiment.arms.values())
    ]
