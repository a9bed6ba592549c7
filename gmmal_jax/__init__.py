"""Distribution-aware deep active learning with Gaussian mixtures, in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

from gmmal_jax.config import Config as Config, replace as replace
from gmmal_jax.config.presets import preset as preset
from gmmal_jax.errors import UserError as UserError

if TYPE_CHECKING:
    from gmmal_jax.loop import run as run
    from gmmal_jax.mixtures.api import (
        fit_mixture as fit_mixture,
        fit_sharded as fit_sharded,
    )
    from gmmal_jax.mixtures.sklearn import GaussianMixture as GaussianMixture
    from gmmal_jax.report.load import load as load

    __version__: str

# `run` is the function: a module of that name would take its place here.
_LAZY = {
    "GaussianMixture": "gmmal_jax.mixtures.sklearn",
    "fit_mixture": "gmmal_jax.mixtures.api",
    "fit_sharded": "gmmal_jax.mixtures.api",
    "load": "gmmal_jax.report.load",
    "run": "gmmal_jax.loop",
}
"""Names that need JAX, NumPy or scikit-learn: imported when first asked for."""
__all__ = [
    "Config",
    "GaussianMixture",
    "UserError",
    "__version__",
    "fit_mixture",
    "fit_sharded",
    "load",
    "preset",
    "replace",
    "run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value = version(__name__)
    elif name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
