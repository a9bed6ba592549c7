"""What is run, in order: a piece is one arm of one seed, at one scale.

Arms of a seed that share stage 1 begin with its network, so a difference between them
is stage 2's alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import tables
from gmmal_jax import config as configs
from gmmal_jax.config import Config, presets
from gmmal_jax.data.sources import PUBLISHED_MOMENTS

Changes = dict[str, Any]

RECIPE, BALANCED, LONG, IMBALANCED, CONTROLS, NEEDS, MORE = PARTS = (
    "recipe", "balanced", "long", "imbalanced", "controls", "needs", "more seeds",
)  # fmt: skip
"""In the order in which they are run."""
SEEDS = {
    RECIPE: (1000, 1001, 1002),
    BALANCED: tuple(range(5)),
    LONG: (0,),
    IMBALANCED: tuple(range(3)),
    CONTROLS: tuple(range(3)),
    NEEDS: (1000, 1001, 1002),
    MORE: tuple(range(5, 10)),
}


class Scale(NamedTuple):
    """How large an experiment is.

    Attributes:
      changes: of `Config`'s values, by dotted field.
      short: steps of stage 2.
      long: likewise, the paper's.
      halved: whether pictures have half their side.
    """

    changes: Changes
    short: int
    long: int
    halved: bool = False


_POOL = 50_000
_MEAN, _STD = PUBLISHED_MOMENTS["cifar10"]
_COMMON: Changes = {
    "query": "random",
    "reference": "none",
    "cycles": 1,
    "data.mean": _MEAN,
    "data.std": _STD,
    "data.placement": "resident",
}
_TOY: Changes = {
    "model": "small",
    "width": 4,
    "initial": 100,
    "data.pad": 1,
    "train.epochs": 20,
    "train.batch_size": 20,
    "train.chunk_steps": 10,
    "reg.subset_size": 100,
    "da.batch_size": 20,
    "da.refit_every": 20,
    "da.hidden": (32, 32),
    "gmm.shard_size": 500,
}
_SHARED: Changes = {"reg.refit_every": 10}
"""A subset of 1,000 each step would be three quarters of stage 1."""
SCALES = {
    "gpu": Scale(_COMMON | {"width": 64}, 3000, 10_000),
    "cpu": Scale(_COMMON | {"width": 16} | _SHARED, 3000, 10_000),
    "halved": Scale(
        _COMMON | {"width": 8, "data.pad": 2} | _SHARED, 3000, 10_000, halved=True
    ),
    "toy": Scale(_COMMON | _TOY, 40, 80),
}
"""The paper's, a quarter of its channels, an eighth on pictures of half the side, and
one that takes seconds."""

RATES: dict[str, Changes] = {
    "ce, rate 0.1": {},
    "ce, rate 0.01": presets.named(["appendix_rate"]),
}
"""The paper's two recipes (A1): the one with the better validation is everybody's."""


class Arm(NamedTuple):
    """A training.

    Attributes:
      learn: the learner.
      changes: of the scale's settings.
      parent: the arm whose network stage 2 begins with; None: it has stage 1 alone.
    """

    learn: str
    changes: Changes = {}
    parent: str | None = None


_LITERAL = presets.named(["literal"])
STAGE_1 = {"ce": Arm("ce"), "reg": Arm("reg")}
STAGE_2 = {
    "pool forward": Arm("reg_da", {"da.beta": 0.0}, "reg"),
    "da": Arm("reg_da", {}, "reg"),
    "longer": Arm("reg_longer", {}, "reg"),
}
ARMS_OF_CONTROLS = {
    "da, gradient cut": Arm("reg_da", {"da.mixture_gradient": False}, "reg"),
    "da, latents only": Arm("reg_da", {"da.inputs": "latents"}, "reg"),
    "reg, literal": Arm("reg", _LITERAL),
    "da, literal": Arm("reg_da", _LITERAL, "reg, literal"),
}
_PARENTS = STAGE_1 | ARMS_OF_CONTROLS
SHORTER, SLOWER = FORMS = ("a quarter of the steps", "a tenth of the rate")
"""Of stage 2, with a weight 0 of their own to be compared with."""


def arms_of_needs(steps: int) -> dict[str, Arm]:
    """DA in other weights, lengths and rates, each beside the weight 0 of its own.

    Args:
      steps: of stage 2, elsewhere.
    """
    forms: dict[str, Changes] = {
        SHORTER: {"da.steps": steps // 4},
        SLOWER: {"da.learning_rate": 1e-3},
    }
    arms = {"reg": STAGE_1["reg"]}
    arms |= {name: STAGE_2[name] for name in ("pool forward", "da")}
    arms["da, weight 0.1"] = Arm("reg_da", {"da.beta": 0.1}, "reg")
    for form, changes in forms.items():
        for name in ("pool forward", "da"):
            own = STAGE_2[name]
            arms[f"{name}, {form}"] = own._replace(changes=own.changes | changes)
    arms["da, weight 10"] = Arm("reg_da", {"da.beta": 10.0}, "reg")
    return arms


class Piece(NamedTuple):
    """One training of one seed.

    Attributes:
      scale: a key of `SCALES`.
      part: one of `PARTS`.
      setting: class sizes of the pool.
      eval: "test" or "validation".
      seed: of the run.
      arm: its name in tables.
      learn: the learner.
      changes: of the scale's settings, by dotted field.
      parent: the piece whose network stage 2 begins with; None: it has stage 1 alone.
    """

    scale: str
    part: str
    setting: str
    eval: str
    seed: int
    arm: str
    learn: str
    changes: Changes
    parent: "Piece | None" = None

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from all others; the first columns of its row."""
        return (self.scale, self.setting, self.eval, str(self.seed), self.arm)

    def config(self, dataset: str, data_dir: str | None) -> Config:
        """All of its settings."""
        own = {"setting": self.setting, "eval": self.eval, "learn": self.learn}
        common = {"dataset": dataset, "data_dir": data_dir, "seeds": (self.seed,)}
        changes = SCALES[self.scale].changes | self.changes
        return configs.replace(Config(), **(common | own | changes))

    def images(self) -> int:
        """About how many images go forward, one that comes back counting thrice."""
        config = self.config("cifar10", None)
        train, reg, da = config.train, config.reg, config.da
        if self.parent is None:
            steps = train.epochs * config.initial // train.batch_size
            subset = 0 if self.learn == "ce" else reg.subset_size // reg.refit_every
            return steps * (3 * train.batch_size + subset)
        steps, batches = da.steps or 0, 1 if self.learn == "reg_longer" else 2
        refits = 0 if self.learn == "reg_longer" else steps // da.refit_every + 1
        return steps * 3 * batches * da.batch_size + refits * _POOL


def order(scale: str, rows: Sequence[tables.Row]) -> list[Piece]:
    """All pieces, the most valuable first; the recipe's alone until it is chosen.

    Args:
      scale: a key of `SCALES`.
      rows: what is on record.
    """
    trials = [
        Piece(scale, RECIPE, "balanced", "validation", seed, name, "ce", changes)
        for seed in SEEDS[RECIPE]
        for name, changes in RATES.items()
    ]
    chosen = recipe(scale, rows)
    return trials if chosen is None else trials + list(reported(scale, RATES[chosen]))


def recipe(scale: str, rows: Sequence[tables.Row]) -> str | None:
    """The key of `RATES` with the better mean validation accuracy; None: not known."""
    found = {
        name: [
            float(row["accuracy"])
            for row in rows
            if (row["scale"], row["part"], row["arm"]) == (scale, RECIPE, name)
        ]
        for name in RATES
    }
    if any(len(values) < len(SEEDS[RECIPE]) for values in found.values()):
        return None
    return max(found, key=lambda name: float(np.mean(found[name])))


def reported(scale: str, rate: Changes) -> Iterator[Piece]:
    """What is measured with a recipe's changes: on test data, all but what DA needs."""
    short, long = SCALES[scale].short, SCALES[scale].long
    both = STAGE_1 | STAGE_2
    yield from _pieces(scale, BALANCED, rate, both, short)
    named = {f"{name}, {long:,} steps": arm for name, arm in STAGE_2.items()}
    yield from _pieces(scale, LONG, rate, named, long)
    yield from _pieces(scale, IMBALANCED, rate, both, short, "imbalanced")
    yield from _pieces(scale, CONTROLS, rate, ARMS_OF_CONTROLS, short)
    needs = arms_of_needs(short)
    yield from _pieces(scale, NEEDS, rate, needs, short, eval="validation")
    yield from _pieces(scale, MORE, rate, both, short)


def _pieces(
    scale: str,
    part: str,
    rate: Changes,
    arms: dict[str, Arm],
    steps: int,
    setting: str = "balanced",
    eval: str = "test",
) -> Iterator[Piece]:
    def piece(seed: int, name: str, arm: Arm) -> Piece:
        changes, parent = rate | arm.changes, None
        if arm.parent is not None:
            parent = piece(seed, arm.parent, _PARENTS[arm.parent])
            changes = {"da.steps": steps} | changes
        return Piece(scale, part, setting, eval, seed, name, arm.learn, changes, parent)

    for seed in SEEDS[part]:
        for name, arm in arms.items():
            yield piece(seed, name, arm)
