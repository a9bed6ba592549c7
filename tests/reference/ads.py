"""The three losses of ADS, their gradients and a query in float64.

From the equations alone. `python tests/reference/ads.py` writes ads.npz beside this
file.
"""

from pathlib import Path

import numpy as np
from perceptron import (
    CLASSES,
    LATENT,
    gradients,
    hidden,
    latents,
    pictures,
    weights,
    wide as widened,
)

PROTOTYPES, TEMPERATURE, THRESHOLD, BUDGET = 3, 0.05, 0.1, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def chances(params, rows):
    """Sigmoids of both heads: two arrays [b, c]."""
    found = []
    for name in ("first", "second"):
        v = sigmoid(rows @ params[f"{name}_features"])
        p = params[f"{name}_prototypes"]
        lengths = np.linalg.norm(v, axis=1)[:, None] * np.linalg.norm(p, axis=1)[None]
        cosines = v @ p.T / lengths
        best = np.max([cosines[:, j * CLASSES : (j + 1) * CLASSES]
                       for j in range(PROTOTYPES)], axis=0)  # fmt: skip
        found.append(sigmoid(best / TEMPERATURE))
    return found


def of_labels(pair, labels):
    truth = np.eye(CLASSES)[labels]
    losses = [-(truth * np.log(y) + (1 - truth) * np.log(1 - y)) for y in pair]
    return np.mean(np.sum(losses, axis=(0, 2)))


def distance(pair):
    return np.mean(np.abs(pair[0] - pair[1]), axis=1)


def doubt(pair):
    """Mean entropy in bits of both, each divided by its sum."""
    shares = [y / y.sum(axis=1, keepdims=True) for y in pair]
    return np.mean([-np.sum(p * np.log2(p), axis=1) for p in shares], axis=0)


def uncertain(pair):
    return sigmoid(doubt(pair) - THRESHOLD)


def main():
    rng = np.random.default_rng(33)
    params = weights(rng)
    for name in ("first", "second"):
        params[f"{name}_features"] = np.float32(rng.normal(size=(LATENT, LATENT)))
        rows = PROTOTYPES * CLASSES
        params[f"{name}_prototypes"] = np.float32(rng.normal(size=(rows, LATENT)))
    seen, unseen, labels = pictures(rng), pictures(rng), rng.integers(CLASSES, size=8)
    inside = np.concatenate([hidden(params, images) for images in (seen, unseen)])
    assert np.abs(inside).min() > 1e-3, "too near to the ReLU's kink: another seed"
    wide = widened(params)

    def pair(own, images):
        return chances(own, latents(own, images))

    base = uncertain(pair(wide, unseen))  # a constant, also while parameters move
    gaps = np.subtract(*(np.log(y / (1 - y)) for y in pair(wide, unseen)))
    assert np.abs(gaps).min() > 0.02, "too near to where heads cross: another seed"
    losses = {
        "labels": lambda own: of_labels(pair(own, seen), labels),
        "agreement": lambda own: np.mean((1 - base) * distance(pair(own, unseen))),
        "discrepancy": lambda own: (
            of_labels(pair(own, seen), labels)
            + np.mean(base * (1 - distance(pair(own, unseen))))
        ),
    }
    out = {"seen": seen, "unseen": unseen, "labels": labels}
    out |= {f"params_{name}": values for name, values in params.items()}
    for kind, loss in losses.items():
        out[f"{kind}_loss"] = loss(wide)
        slopes = gradients(loss, wide)
        out |= {f"{kind}_{name}": values for name, values in slopes.items()}
    logits = np.float32(4 * rng.normal(size=(2, 40, CLASSES)))
    entropies = doubt(list(sigmoid(np.float64(logits))))
    out |= {"logits": logits, "entropy": entropies, "distance":
            distance(list(sigmoid(np.float64(logits))))}  # fmt: skip
    out["chosen"] = np.argsort(-entropies)[:BUDGET]
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
