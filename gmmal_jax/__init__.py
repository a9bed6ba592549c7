"""Distribution-aware deep active learning with Gaussian mixtures, in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

from gmmal_jax.config import Config as Config
from gmmal_jax.config.presets import preset as preset
from gmmal_jax.errors import UserError as UserError

if TYPE_CHECKING:
    from gmmal_jax.mixtures.api import (
        fit_mixture as fit_mixture,
        fit_sharded as fit_sharded,
    )
    from gmmal_jax.mixtures.sklearn import GaussianMixture as GaussianMixture

_LAZY = {
    "GaussianMixture": "gmmal_jax.mixtures.sklearn",
    "fit_mixture": "gmmal_jax.mixtures.api",
    "fit_sharded": "gmmal_jax.mixtures.api",
}
"""Names that need JAX or scikit-learn: imported when they are first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
