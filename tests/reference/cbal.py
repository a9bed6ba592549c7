"""CBAL in plain NumPy and float64, by trying everything:
`python tests/reference/cbal.py` writes cbal.npz beside itself.

Entropy: of all sets of b rows the one of least sum_i sum_c p log p + weight times
sum_c |sum_i p_ic - target_c|; target = max(0, floor((labels + b) / classes) - labels of
the class).
k-center: b times the row of least -distance to the nearest labeled or picked one
+ weight / classes * sum_c |target_c - sum of picks' p_c - p_c|.
"""

import itertools
from pathlib import Path

import numpy as np

ROWS, LABELED, CLASSES, BUDGET, POOLS = 12, 5, 3, 4, 12
WEIGHT, CENTER_WEIGHT = 0.6, 5.0
CENTER_ROWS, CENTER_LABELED, CENTER_BUDGET, DIMENSIONS = 60, 7, 12, 3


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def target(labels, budget):
    held = np.array([np.sum(labels == c) for c in range(CLASSES)])
    return np.maximum(0, (len(labels) + budget) // CLASSES - held)


def value(rows, probs, wanted):
    rows = list(rows)
    worth = np.sum(probs[rows] * np.log(probs[rows]))
    return worth + WEIGHT * np.abs(probs[rows].sum(axis=0) - wanted).sum()


def best(probs, wanted):
    sets = itertools.combinations(range(len(probs)), BUDGET)
    values = sorted((value(rows, probs, wanted), rows) for rows in sets)
    return values[0][0], values[0][1]


def greedy(latents, probs, labeled, wanted):
    near = np.linalg.norm(latents[:, None] - latents[None, labeled], axis=2).min(1)
    missing, picks = np.float64(wanted), []
    for _ in range(CENTER_BUDGET):
        lack = np.abs(missing[None] - probs).sum(axis=1)
        costs = -near + CENTER_WEIGHT / CLASSES * lack
        costs[labeled] = np.inf
        costs[picks] = np.inf
        first, second = np.sort(costs)[:2]
        assert second - first > 1e-3, "a tie: take another seed"
        picks.append(int(costs.argmin()))
        missing = missing - probs[picks[-1]]
        far = np.linalg.norm(latents - latents[picks[-1]], axis=1)
        near = np.minimum(near, far)
    return picks


def main():
    rng = np.random.default_rng(1)
    logits = 3 * rng.normal(size=(POOLS, ROWS, CLASSES)).astype(np.float32)
    labels = rng.integers(CLASSES - 1, size=(POOLS, LABELED))  # the last one is absent
    wanted = np.array([target(found, BUDGET) for found in labels])
    values, sets = zip(
        *(best(softmax(np.float64(s)), w) for s, w in zip(logits, wanted, strict=True)),
        strict=True,
    )
    latents = rng.gamma(1.0, size=(CENTER_ROWS, DIMENSIONS)).astype(np.float32)
    center_logits = 2 * rng.normal(size=(CENTER_ROWS, CLASSES)).astype(np.float32)
    center_labels = rng.integers(CLASSES - 1, size=CENTER_LABELED)
    picks = greedy(
        np.float64(latents), softmax(np.float64(center_logits)),
        np.arange(CENTER_ROWS) < CENTER_LABELED, target(center_labels, CENTER_BUDGET),
    )  # fmt: skip
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        logits=logits,
        labels=labels,
        target=wanted,
        value=values,
        rows=sets,
        weight=WEIGHT,
        center_latents=latents,
        center_logits=center_logits,
        center_labels=center_labels,
        center_weight=CENTER_WEIGHT,
        center_rows=picks,
    )


if __name__ == "__main__":
    main()
