"""What each data set changes of the paper's configuration, value by value, and why."""

from gmmal_jax import config as configs
from gmmal_jax.config import Config

Changes = dict[str, tuple[object, str]]
"""dotted field -> (value, reason)."""

_SMALL_SET = "1,797 images in all: the paper's numbers are for 50,000"
_TWO_CORES = "a run of minutes on two CPU cores"

DIGITS: Changes = {
    "model": ("small", "8x8 images: one block a stage is plenty"),
    "width": (16, _TWO_CORES),
    "cycles": (6, _SMALL_SET),
    "initial": (20, _SMALL_SET),
    "budget": (20, _SMALL_SET),
    "data.pad": (1, "4 pixels are half of an 8x8 image"),
    "data.flip": (False, "a mirrored digit is no digit"),
    "train.steps": (300, "200 epochs of 20 images would be 200 steps of one batch"),
    "train.batch_size": (20, "the labeled set starts with 20 images"),
    "reg.subset_size": (100, "10 a class, as many as the paper has for 100 classes"),
    "da.steps": (300, _TWO_CORES),
    "da.batch_size": (50, _TWO_CORES),
    "da.hidden": ((128, 128), "as wide as the small network's latents; paper: 512"),
    "da.refit_every": (100, "a stage of 300 steps would see one refit of 500"),
}

_CIFAR100: Changes = {
    "initial": (2000, "section 4.1"),
    "budget": (2000, "section 4.1"),
}
_SVHN: Changes = {"data.flip": (False, "a mirrored digit is no digit")}
_MNIST: Changes = {
    **_SVHN,
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
}
"""Data sets by name; all others start from the paper's CIFAR-10 values."""


def preset(dataset: str) -> Config:
    """The configuration that a data set starts from."""
    changes = PRESETS.get(dataset.partition(":")[0], {})
    values = {name: value for name, (value, _) in changes.items()}
    return configs.replace(Config(dataset=dataset), **values)
