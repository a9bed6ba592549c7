"""The paper's data sets in its settings, and what stands in for them on a CPU.

A world is run in a form: at full scale in its own, at cpu scale in a substitute's.
Published pictures are halved, digits come with scikit-learn. A substitute has titles
of its own, and no row of it is ever shown beside the paper's values.
"""

import functools
from pathlib import Path
from typing import Literal, NamedTuple

from experiments.paper.substitutes import SUBSTITUTES, Changes
from gmmal_jax import config as configs
from gmmal_jax.config import Config
from gmmal_jax.config.presets import named, preset
from gmmal_jax.data import class_sizes, sources
from gmmal_jax.errors import UserError

Scale = Literal["full", "cpu"]
SCALES: tuple[Scale, ...] = ("full", "cpu")
RATIO = 10
"""Of the largest class to the smallest, where they differ."""


class World(NamedTuple):
    """A data set in a setting, as the paper has it.

    Attributes:
      data: a key of `DATA`.
      setting: of class sizes.
      recipe: of training, or of the numbers of labels; a key of `RECIPES`.
    """

    data: str
    setting: str = "balanced"
    recipe: str = "step"

    @property
    def key(self) -> str:
        """How files and rows call it."""
        more = "" if self.recipe == "step" else f"_{self.recipe}"
        return f"{self.data}_{self.setting}{more}"


class Data(NamedTuple):
    """A data set of the paper.

    Attributes:
      title: as the paper's tables call it.
      classes: K.
      train: training pictures.
      test: test pictures.
      image: height, width, channels.
      substitutes: keys of `SUBSTITUTES`, the nearest first; the last needs no file.
    """

    title: str
    classes: int
    train: int
    test: int
    image: tuple[int, int, int]
    substitutes: tuple[str, ...]


DATA = {
    "cifar10": Data(
        "CIFAR-10", 10, 50_000, 10_000, (32, 32, 3), ("halved10", "digits")
    ),
    "cifar100": Data(
        "CIFAR-100", 100, 50_000, 10_000, (32, 32, 3), ("halved100", "digits")
    ),
    "svhn_cropped": Data("SVHN", 10, 73_257, 26_032, (32, 32, 3), ("digits",)),
    "fashion_mnist": Data(
        "FashionMNIST", 10, 60_000, 10_000, (28, 28, 1), ("clothes", "digits")
    ),
    "tiny_imagenet": Data(
        "TinyImageNet", 200, 100_000, 10_000, (64, 64, 3), ("halved100", "digits")
    ),
}


class Schedule(NamedTuple):
    """Numbers of labels beside a world's own.

    Queries of another size are as many as buy as much together.

    Attributes:
      words: of titles.
      first: labels at first, as a multiple.
      query: labels of a query, as a multiple.
    """

    words: str
    first: float = 1
    query: float = 1


SCHEDULES = {
    "half_start": Schedule("half the first labels", first=0.5),
    "half_query": Schedule("queries of half the size", query=0.5),
    "triple_query": Schedule("queries of three times the size", query=3),
}
"""Ours: the paper has one start and one size."""
_ONECYCLE = named(["onecycle"])
RECIPES: dict[str, Changes] = {
    "step": {},
    "resnet50": _ONECYCLE,
    "onecycle": _ONECYCLE | {"model": "resnet18"},
    "twenty": {"initial": 2000, "budget": 20},
    **{name: {} for name in SCHEDULES},
}
"""The paper's own; A.7's with the larger network, and with the usual one; A.10's few
choices after 2,000 labels; and schedules, which change no training."""


_ON_CPU: dict[str, Changes] = {
    "step": {},
    "resnet50": {"train.schedule": "onecycle"},
    "onecycle": {"train.schedule": "onecycle"},
    "twenty": {"budget": 20},
    **{name: {} for name in SCHEDULES},
}
"""What is left of a recipe: bf16 has no gain on a CPU, nor fifty layers on 16x16."""


class Form(NamedTuple):
    """A world as it is run.

    Attributes:
      key: how files and rows call it.
      title: of tables.
      source: a data set's name.
      classes: K.
      image: height, width, channels.
      pool: training pictures in this setting, about.
      kept: training and test pictures of a reduced data set; None: whole.
      config: that all its arms start from, without the place of its data.
      full: whether it is the paper's own.
    """

    key: str
    title: str
    source: str
    classes: int
    image: tuple[int, int, int]
    pool: int
    kept: tuple[int, int] | None
    config: Config
    full: bool

    @property
    def network(self) -> str:
        """The network, with the channels of its first stage."""
        width = self.config.width
        return self.config.model + (f" of width {width}" if width else "")


def form(world: World, scale: Scale, with_pictures: bool) -> Form:
    """How a world is run.

    Args:
      world: of the paper's.
      scale: of it.
      with_pictures: published pictures are at hand. At cpu scale digits stand in for
        them where they are not.
    """
    if scale == "full":
        return _full(world)
    names = DATA[world.data].substitutes
    return _substitute(world, names[0 if with_pictures else -1])


def forms(world: World, scale: Scale) -> list[Form]:
    """All forms of a world at a scale, the nearest to the paper's first."""
    if scale == "full":
        return [_full(world)]
    return [_substitute(world, name) for name in DATA[world.data].substitutes]


@functools.cache
def _full(world: World) -> Form:
    data = DATA[world.data]
    base = preset(world.data)
    mean, std = sources.PUBLISHED_MOMENTS[world.data]
    pool = _pool(data.train, data.classes, world.setting)
    changes: Changes = {
        "setting": world.setting,
        "reference": "none",
        "data.mean": mean,
        "data.std": std,
        # CIFAR-100's long tail holds fewer pictures than the last cycle would want.
        "cycles": min(base.cycles, 1 + (pool - base.initial) // base.budget),
    }
    config = configs.replace(base, **(changes | RECIPES[world.recipe]))
    config = _scheduled(config, world.recipe)
    title = f"{data.title}, {_setting(world)}"
    return Form(
        world.key, title, world.data, data.classes, data.image, pool, None, config, True
    )


@functools.cache
def _digits() -> Config:
    """The preset that substitutes start from."""
    return preset("digits")


def _substitute(world: World, name: str) -> Form:
    own = SUBSTITUTES[name]
    changes = own.changes | {"setting": world.setting} | _ON_CPU[world.recipe]
    config = configs.replace(_digits(), **changes)
    config = _scheduled(config, world.recipe)
    # One schedule on a CPU, whichever network the paper has it with.
    recipe = "onecycle" if world.recipe == "resnet50" else world.recipe
    kept = None if own.source == "digits" else own.kept
    return Form(
        world._replace(data=name, recipe=recipe).key,
        f"{own.title}, {_setting(world)}",
        own.source,
        own.classes,
        own.image,
        _pool(own.kept[0], own.classes, world.setting),
        kept,
        config,
        False,
    )


def _scheduled(config: Config, recipe: str) -> Config:
    """With another start or size of query, and as many cycles as it takes then."""
    if recipe not in SCHEDULES:
        return config
    _, first, query = SCHEDULES[recipe]
    return configs.replace(
        config,
        initial=int(first * config.initial),
        budget=int(query * config.budget),
        cycles=1 + int((config.cycles - 1) / query),
    )


def _setting(world: World) -> str:
    """Of class sizes, and what is scheduled otherwise; no comma in it."""
    own = SCHEDULES.get(world.recipe)
    return f"{world.setting} ({own.words})" if own else world.setting


def _pool(train: int, classes: int, setting: str) -> int:
    """Pictures that a setting leaves of classes of equal size."""
    size = train // classes
    if setting == "imbalanced":
        return classes // 2 * (size + size // RATIO)
    if setting == "long_tailed":
        return int(class_sizes.tail_sizes(size, classes, RATIO).sum())
    return train


def require(own: Form, data: Path | None) -> None:
    """Refuse to begin where data is missing.

    Raises:
      UserError: it says which file.
    """
    if own.source == "digits":
        return
    if data is None:
        remedy = "name the folder of its pictures; experiments/README.md says how"
        raise UserError(f"--data: {own.title}", None, remedy)
    if own.kept and not _file(own, data).exists():
        remedy = "experiments/README.md says how to make it"
        raise UserError("--data: no such file", str(_file(own, data)), remedy)


def placed(own: Form, data: Path | None) -> Config:
    """The configuration of a whole data set, with where its pictures lie.

    A file of NumPy's in the folder; else the folder is TFDS's.
    """
    config = own.config
    if own.source == "digits":
        return config
    assert data is not None
    if own.source == "tiny_imagenet":
        where = data / "tiny_imagenet"
        return configs.replace(config, dataset=f"tiny_imagenet:{where}")
    if _file(own, data).exists():
        return configs.replace(config, dataset=f"npz:{_file(own, data)}")
    return configs.replace(config, dataset=own.source, data_dir=str(data))


def _file(own: Form, data: Path) -> Path:
    return data / f"{own.source}.npz"
