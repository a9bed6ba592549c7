"""Features on their way to a network: standardized, thinned out, blurred."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32


def standardize(
    features: Float[Array, "b d"], mean: tuple[float, ...], std: tuple[float, ...]
) -> Float[Array, "b d"]:
    """Subtract the mean first, in float32: features may lie far from zero."""
    shift = np.asarray(mean, np.float32)[None]
    scale = np.asarray([1 / each for each in std], np.float32)[None]
    standard: jax.Array = (features.astype(jnp.float32) - shift) * scale
    return standard


def drop(
    bits: UInt32[Array, "b d"], features: Float[Array, "b d"], share: float
) -> Float[Array, "b d"]:
    """Set a share of the entries to zero; the others grow so that the mean stays.

    Args:
      bits: [b, d], random.
      features: [b, d], standardized.
      share: in [0, 1), static.

    Source: Srivastava et al., 2014 (JMLR 15).
    """
    kept = bits >= np.uint32(round(share * 2**32))
    return jnp.where(kept, features / (1 - share), 0.0)


def blur(
    noise: Float[Array, "b d"], features: Float[Array, "b d"], size: float
) -> Float[Array, "b d"]:
    """Add noise of so many standard deviations.

    Args:
      noise: [b, d], standard normal.
      features: [b, d], standardized.
      size: static.
    """
    return features + size * noise
