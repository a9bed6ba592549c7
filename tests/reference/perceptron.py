"""A two-layer perceptron in float64, and gradients by finite differences.

What the scripts beside it share; nothing here is the package's.
"""

import numpy as np

CLASSES, LATENT, SIZE, BATCH = 3, 5, 6, 8
STEP = 1e-5
"""Of central differences: their error is about STEP^2, and rounding's 1e-16 / STEP."""


def weights(rng):
    """Of the network; the offsets keep most latents above 0."""
    return {
        "hidden": np.float32(rng.normal(size=(SIZE * SIZE, LATENT)) / 8),
        "kernel": np.float32(rng.normal(size=(LATENT, CLASSES))),
        "bias": np.float32(rng.normal(size=CLASSES)),
    }


def pictures(rng):
    """Bytes [BATCH, SIZE, SIZE, 1]."""
    return rng.integers(0, 256, (BATCH, SIZE, SIZE, 1)).astype(np.uint8)


def hidden(params, images):
    pixels = (images.reshape(len(images), -1) / 255 - 0.5) / 0.5
    return pixels @ params["hidden"] + 0.1


def latents(params, images):
    return np.maximum(hidden(params, images), 0)


def logits(params, images):
    return latents(params, images) @ params["kernel"] + params["bias"]


def wide(params):
    return {name: np.float64(values) for name, values in params.items()}


def gradients(loss, params, step=STEP):
    """Of a loss of a dict of float64 arrays, by central differences."""
    found = {}
    for name, values in params.items():
        found[name] = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            ends = []
            for sign in (1, -1):
                moved = values.copy()
                moved[place] += sign * step
                ends.append(loss(params | {name: moved}))
            found[name][place] = (ends[0] - ends[1]) / (2 * step)
    return found
