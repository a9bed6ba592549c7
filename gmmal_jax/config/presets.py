"""What data sets and named presets change of the paper's configuration, and why."""

from collections.abc import Sequence

from gmmal_jax import config as configs
from gmmal_jax.config import Config
from gmmal_jax.errors import unknown

Changes = dict[str, tuple[object, str]]
"""dotted field -> (value, reason)."""

_SMALL_SET = "1,797 images in all: the paper's numbers are for 50,000"
_TWO_CORES = "a run of minutes on two CPU cores"
_TRIED = "best of six recipes on validation data (experiments/tuning_log.csv)"

SMALL_DATA: Changes = {
    "da.mixture_gradient": (
        False,
        "with it alignment closes the critic's gap at the price of the classes; best "
        "of six on validation data (experiments/README.md)",
    ),
}

_GAMES: Changes = {
    f"{method}.{field}": change
    for method in ("vaal", "ta_vaal")
    for field, change in {
        "steps": (100, _TWO_CORES),
        "batch_size": (50, _TWO_CORES),
        "width": (16, "8x8 images: as many channels as the small network has"),
        "hidden": ((128, 128), "as wide as the critic of da"),
    }.items()
}

DIGITS: Changes = {
    "model": ("small", "8x8 images: one block a stage is plenty"),
    "cycles": (6, _SMALL_SET),
    "initial": (20, _SMALL_SET),
    "budget": (20, _SMALL_SET),
    "data.pad": (1, "4 pixels are half of an 8x8 image"),
    "data.flip": (False, "a mirrored digit is no digit"),
    "train.steps": (300, "200 epochs of 20 images would be 200 steps of one batch"),
    "train.batch_size": (20, "the labeled set starts with 20 images"),
    "train.learning_rate": (0.03, _TRIED),
    "train.weight_decay": (5e-3, _TRIED),
    "reg.subset_size": (100, "10 a class, as many as the paper has for 100 classes"),
    "da.steps": (300, _TWO_CORES),
    "da.batch_size": (50, _TWO_CORES),
    "da.hidden": ((128, 128), "as wide as the small network's latents; paper: 512"),
    "da.refit_every": (100, "a stage of 300 steps would see one refit of 500"),
    "ads.unlabeled_steps": (
        1,
        "of 300 steps in all, a third has to learn from labels",
    ),
    **_GAMES,
    "fixmatch.ratio": (2, f"{_TWO_CORES}; a step has 100 images, as one of DA has"),
    "waal_code.epochs": (10, f"{_TWO_CORES}: some 200 steps in place of 1,600"),
    **SMALL_DATA,
}

_ON_FEATURES = "the best or as good, on validation data (experiments/README.md)"
_FEATURES: Changes = {
    "model": ("mlp", "as good as linear, and Reg and DA have latents to move"),
    "initial": (100, "where people are who have an encoder; the paper has no features"),
    "budget": (100, "likewise"),
    "train.steps": (500, f"an epoch of 100 labels is one step; {_ON_FEATURES}"),
    "train.learning_rate": (0.03, _ON_FEATURES),
    "da.steps": (500, "as long as stage 1"),
    "da.learning_rate": (0.001, _ON_FEATURES),
    "da.refit_every": (250, "a stage of 500 steps would see one refit of 500"),
    "da.hidden": ((128, 128), "a critic on two CPU cores; paper: 512"),
    **SMALL_DATA,
}

_TOD = "the weight of TOD's authors for this data set"
_CIFAR100: Changes = {
    "initial": (2000, "section 4.1"),
    "budget": (2000, "section 4.1"),
    "tod.weight": (0.05, _TOD),
}
_MIRRORED: Changes = {"data.flip": (False, "a mirrored digit is no digit")}
_SVHN: Changes = {**_MIRRORED, "tod.weight": (0.005, _TOD)}
_MNIST: Changes = {
    **_MIRRORED,
    "initial": (100, "not in the paper; 1,000 labels leave nothing to gain"),
    "budget": (100, "likewise"),
}

_TINY_IMAGENET: Changes = {
    "initial": (4000, "not in the paper; 20 a class, as many as it has for CIFAR-100"),
    "budget": (4000, "likewise"),
}

PRESETS: dict[str, Changes] = {
    "digits": DIGITS,
    "cifar10": {},
    "cifar100": _CIFAR100,
    "svhn_cropped": _SVHN,
    "fashion_mnist": {},
    "mnist": _MNIST,
    "tiny_imagenet": _TINY_IMAGENET,
    "features": _FEATURES,
}
"""Data sets by name; all others start from the paper's CIFAR-10 values."""


_LITERAL: Changes = {
    "gmm.shrinkage": (0.0, "section 3.2 names no shrinkage (A4)"),
    "gmm.variance_floor": (
        1e-6,
        "nor a floor; without any, empty features divide by 0",
    ),
    "gmm.average": ("equal", "section 3.2 averages batches without weights (A7)"),
    "gmm.labeled_mode": ("sharded", "section 3.2 fits both mixtures in batches"),
    "reg.variance_floor": (0.0, "section 3.3 names no floor (A4)"),
    "reg.batch_norm": ("batch_update", "what plain training code does (A11)"),
    "da.penalty_sides": ("two", "the gradient penalty as in its source (A18)"),
    "da.input_norm": ("none", "section 3.4 names no scaling of the columns (A23)"),
    "da.mixture_gradient": (True, "section 3.4 stops gradients at the mixtures only"),
}
_APPENDIX_RATE: Changes = {
    "train.learning_rate": (0.01, "appendix A.1 (A1)"),
    "da.learning_rate": (0.001, "stage 2 goes on with stage 1's last rate (A14)"),
}
_MAJOR = "FashionMNIST in public code whose logs match the paper's imbalanced table"
_PAPER_CODE: Changes = {
    "setting": ("imbalanced", "the setting of that table"),
    "data.class_cap": (5000, f"5,000 major and 500 minor rows a class: {_MAJOR}"),
    "data.mean": ((0.1307,), "MNIST's, as that code has it"),
    "data.std": ((0.3081,), "likewise"),
}
_ONECYCLE: Changes = {
    "model": ("resnet50", "the appendix's larger network (A.7)"),
    "train.schedule": ("onecycle", "A.7: at most 0.1, at first 1/25 of it"),
    "train.precision": ("bf16", "A.7: mixed precision; bf16 needs no loss scaling"),
}

NAMED: dict[str, Changes] = {
    "literal": _LITERAL,
    "appendix_rate": _APPENDIX_RATE,
    "paper_code": _PAPER_CODE,
    "onecycle": _ONECYCLE,
    "small_data": SMALL_DATA,
}
"""Presets for --preset; they go on top of the data set's, in the order given."""


def named(names: Sequence[str]) -> dict[str, object]:
    """Dotted field -> value of named presets; later ones win.

    Raises:
      UserError: a name that is not in `NAMED`.
    """
    for name in names:
        if name not in NAMED:
            raise unknown("--preset", name, NAMED)
    return {k: v for name in names for k, v in values(NAMED[name]).items()}


def changes(dataset: str, names: Sequence[str] = ()) -> dict[str, object]:
    """Dotted field -> value of a data set's preset and, over it, of named ones.

    Raises:
      UserError: a name that is not in `NAMED`.
    """
    return values(PRESETS.get(dataset.partition(":")[0], {})) | named(names)


def preset(dataset: str, names: Sequence[str] = ()) -> Config:
    """The configuration that a data set and named presets start from.

    Raises:
      UserError: a name that is not in `NAMED`.
    """
    return configs.replace(Config(dataset=dataset), **changes(dataset, names))


def values(changes: Changes) -> dict[str, object]:
    """Dotted field -> value, without the reasons."""
    return {field: value for field, (value, _) in changes.items()}
