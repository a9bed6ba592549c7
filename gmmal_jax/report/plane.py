"""Latents in the plane, by t-SNE: what it cannot take is refused before it sees it."""

import numpy as np
from jaxtyping import Float

from gmmal_jax.errors import UserError

FEWEST = 5
"""Rows of a map."""
_ITERATIONS = 400


def embed(latents: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m 2"]:
    """Points of a map, with a fixed seed.

    Args:
      latents: [m, d].

    Raises:
      UserError: fewer than 5 rows, rows that are not finite, or all equal: scikit-learn
        ends the interpreter over those.
    """
    from sklearn.manifold import TSNE

    scaled = _scaled(latents)
    # t-SNE wants fewer neighbors than points; 30 is its usual number.
    perplexity = min(30.0, (len(scaled) - 1) / 3)
    # Its default, 1000, moves points within their clusters for most of the time.
    tsne = TSNE(perplexity=perplexity, random_state=0, max_iter=_ITERATIONS)
    points: np.ndarray = tsne.fit_transform(scaled)
    return points


def _scaled(latents: np.ndarray) -> np.ndarray:
    """About their mean, the largest entry 1, two columns at least: float32 [m, d].

    Squares of the rows as they are may leave float32 at either end, and a start whose
    spread has become 0 is what scikit-learn dies of.
    """
    if len(latents) < FEWEST:
        raise UserError("latent map: rows", len(latents), f"give at least {FEWEST}")
    lost = int((~np.isfinite(latents).all(axis=1)).sum())
    if lost:
        remedy = "training has diverged: lower its rate"
        raise UserError("latent map: rows that are not finite", lost, remedy)
    values = latents.astype(np.float64)
    values = values - values.mean(axis=0)
    widest = np.abs(values).max(initial=0)
    # A mean's own rounding is no difference.
    size = np.abs(latents.astype(np.float64)).max(initial=0)
    if widest <= np.finfo(np.float64).eps * len(latents) * size:
        remedy = "the network tells no picture from another"
        raise UserError("latent map: all latents are equal, rows", len(latents), remedy)
    scaled: np.ndarray = (values / widest).astype(np.float32)
    return np.pad(scaled, ((0, 0), (0, max(0, 2 - scaled.shape[1]))))
