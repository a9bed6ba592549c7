"""The data sets of the experiment, small enough for hundreds of runs on two cores."""

from pathlib import Path
from typing import Any, NamedTuple

from experiments import pictures
from gmmal_jax import config as configs
from gmmal_jax.config.presets import preset


class World(NamedTuple):
    """A data set at reduced scale, and the settings all arms share on it.

    Attributes:
      source: "digits", or the TFDS name of what is reduced.
      pool: training images kept; 0: all.
      test: test images kept.
      changes: of the digits preset, by dotted field.
    """

    source: str
    pool: int
    test: int
    changes: dict[str, Any]


_PAPER: dict[str, Any] = {
    "train.learning_rate": 0.1,
    "train.weight_decay": 5e-4,
    "reg.alpha": 1e-4,
    "da.beta": 1.0,
    "da.mixture_gradient": True,
}
"""Where all arms start from, whatever the digits preset has learned since."""
_PHOTOS: dict[str, Any] = {
    "cycles": 2,
    "data.pad": 2,
    "data.flip": True,
    "train.batch_size": 50,
    "width": 8,
    "train.steps": 200,
    "da.steps": 200,
}
_DIGITS: dict[str, Any] = {"cycles": 2, "initial": 40, "budget": 60}
_COMPARED: dict[str, Any] = {
    "cycles": 4,
    "initial": 40,
    "budget": 40,
    "width": 8,
    "train.steps": 200,
    "train.learning_rate": 0.03,
    "train.weight_decay": 5e-3,
    "reg.refit_every": 5,
    "da.steps": 100,
    "da.refit_every": 50,
    "da.mixture_gradient": False,
}
"""The digits preset's rates; a narrower network and fewer steps for some 500 runs."""

WORLDS: dict[str, World] = {
    "digits": World("digits", 0, 0, _DIGITS),
    "digits_imbalanced": World("digits", 0, 0, _DIGITS | {"setting": "imbalanced"}),
    "compare_balanced": World("digits", 0, 0, _COMPARED),
    "compare_imbalanced": World("digits", 0, 0, _COMPARED | {"setting": "imbalanced"}),
    "fashion": World(
        "fashion_mnist",
        5000,
        2000,
        _PHOTOS | {"initial": 200, "budget": 200},
    ),
    "cifar": World("cifar10", 5000, 4000, _PHOTOS | {"initial": 500, "cycles": 1}),
}
"""Images of fashion and cifar are halved to 14x14 and 16x16."""


def settings(name: str, folder: Path, data_dir: str | None) -> configs.Config:
    """The configuration that all arms of a world start from.

    Args:
      name: a key of `WORLDS`.
      folder: keeps the reduced images.
      data_dir: of the prepared TFDS data sets that are reduced.

    Raises:
      UserError: the data set is not there.
    """
    world = WORLDS[name]
    dataset = world.source
    if dataset != "digits":
        path, kept = folder / f"{name}.npz", (world.pool, world.test)
        dataset = pictures.place(path, dataset, data_dir, kept)
    common = {"dataset": dataset, "reference": "none", "data.placement": "resident"}
    return configs.replace(preset("digits"), **(common | _PAPER | world.changes))
