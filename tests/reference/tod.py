"""TOD's loss, its gradients and a query in float64, from the equations alone.

`python tests/reference/tod.py` writes tod.npz beside this file.
"""

from pathlib import Path

import numpy as np
from perceptron import (
    CLASSES,
    LATENT,
    gradients,
    hidden,
    latents,
    logits,
    pictures,
    weights,
    wide as widened,
)

WEIGHT, BUDGET = 0.7, 6
"""A weight at which the second term is as large as the first."""


def softmax(rows):
    odds = np.exp(rows - rows.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def mean_square(one, other):
    return np.mean((one - other) ** 2)


def loss(kind, params, teacher, seen, labels, unseen):
    """Cross-entropy and squared distances to the teacher's logits."""
    main = [logits(params, images) for images in (seen, unseen)]
    goal = [logits(teacher, images) for images in (seen, unseen)]
    value = -np.mean(np.log(softmax(main[0])[np.arange(len(labels)), labels]))
    if kind == "paper":
        return value + WEIGHT * sum(map(mean_square, main, goal))
    second = [
        latents(params, images) @ params["head_kernel"] + params["head_bias"]
        for images in (seen, unseen)
    ]
    near = sum(map(mean_square, main, second)) + sum(map(mean_square, second, goal))
    return value + WEIGHT * near


def main():
    rng = np.random.default_rng(21)
    params, teacher = weights(rng), weights(rng)
    params["head_kernel"] = np.float32(rng.normal(size=(LATENT, CLASSES)))
    params["head_bias"] = np.float32(rng.normal(size=CLASSES))
    seen, unseen, labels = pictures(rng), pictures(rng), rng.integers(CLASSES, size=8)
    inside = np.concatenate([hidden(params, images) for images in (seen, unseen)])
    assert np.abs(inside).min() > 1e-3, "too near to the ReLU's kink: another seed"
    out = {"seen": seen, "unseen": unseen, "labels": labels}
    out |= {f"params_{name}": values for name, values in params.items()}
    out |= {f"teacher_{name}": values for name, values in teacher.items()}
    for kind in ("code", "paper"):

        def value(own, kind=kind):
            return loss(kind, own, widened(teacher), seen, labels, unseen)

        out[f"{kind}_loss"] = value(widened(params))
        slopes = gradients(value, widened(params))
        out |= {f"{kind}_{name}": values for name, values in slopes.items()}
    now, before = np.float32(2 * rng.normal(size=(2, 40, CLASSES)))
    moved = np.sum((softmax(np.float64(now)) - softmax(np.float64(before))) ** 2, 1) / 2
    out |= {"now": now, "before": before, "discrepancy": moved}
    out["chosen"] = np.argsort(-moved)[:BUDGET]
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
