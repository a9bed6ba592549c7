"""Scores of a committee in float64, from the equations alone.

`python tests/reference/snapshot.py` writes snapshot.npz beside this file.
"""

import math
from pathlib import Path

import numpy as np

ROWS, MEMBERS, CLASSES, BUDGET = 60, 5, 4, 12


def softmax(logits):
    odds = np.exp(logits - logits.max())
    return odds / odds.sum()


def entropy(probabilities):
    return -sum(p * math.log(p) for p in probabilities if p > 0)


def scores(members):
    """The four scores of one row, by its members' logits [m, c]."""
    each = [softmax(logits) for logits in members]
    mean = sum(each) / len(each)
    votes = [int(np.argmax(p)) for p in each]
    most = max(votes.count(k) for k in range(len(mean)))
    second, first = sorted(mean)[-2:]
    return (
        1 - most / len(each),
        entropy(mean),
        entropy(mean) - sum(entropy(p) for p in each) / len(each),
        1 - (first - second),
    )


def main():
    rng = np.random.default_rng(20)
    shared = rng.normal(size=(ROWS, 1, CLASSES))
    logits = np.float32(2 * shared + rng.normal(size=(ROWS, MEMBERS, CLASSES)))
    ratio, doubt, bald, margin = np.array([scores(np.float64(row)) for row in logits]).T
    order = sorted(range(ROWS), key=lambda i: (-ratio[i], -doubt[i]))
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        logits=logits, variation_ratio=ratio, entropy=doubt, bald=bald, margin=margin,
        chosen=order[:BUDGET],
    )  # fmt: skip


if __name__ == "__main__":
    main()
