"""Distribution-aware deep active learning with Gaussian mixtures, in JAX."""

from gmmal_jax.config import Config as Config
from gmmal_jax.errors import UserError as UserError
from gmmal_jax.presets import preset as preset
