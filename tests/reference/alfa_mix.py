"""ALFA-Mix in float64 NumPy, step by step: `python tests/reference/alfa_mix.py`.

A reading of Parvaneh et al., 2022 (arXiv:2203.07034) and of what its code does, on its
own: every mixture is formed, the classifier is asked, gradients are differences. It
writes alfa_mix.npz beside itself. Rows that a rounding could tip are left out.
"""

from pathlib import Path

import numpy as np

NUM_ROWS, NUM_LABELED, NUM_DIMS, NUM_CLASSES = 240, 24, 8, 5
ABSENT = 3
"""The class without labels."""
CLOSED_CAPS = 0.2 * np.arange(1, 6)
LEARNED_CAP = 0.25
CLEAR = 1e-3
"""Least lead of a class, in logits, for a row to stay."""


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def lead(logits, label):
    """How far a class is ahead of the best other one; negative: behind."""
    others = np.delete(logits, label)
    return logits[label] - others.max()


def anchors_of(latents, labels):
    """Class means; the mean of all labeled rows for a class that has none."""
    means = []
    for label in range(NUM_CLASSES):
        members = latents[labels == label]
        means.append((members if len(members) else latents).mean(axis=0))
    return np.array(means)


def closed_form(latent, label, anchors, kernel, bias):
    """Leads of the label, [caps, anchors], when the closed form's shares are mixed."""
    error = softmax(latent @ kernel + bias)
    error[label] -= 1
    gradient = kernel @ error
    leads = np.empty((len(CLOSED_CAPS), len(anchors)))
    for i, cap in enumerate(CLOSED_CAPS):
        epsilon = cap / np.sqrt(NUM_DIMS)
        for j, anchor in enumerate(anchors):
            gap = anchor - latent
            scale = epsilon * np.linalg.norm(gap) / np.linalg.norm(gradient)
            shares = scale * gradient / gap
            mixed = (1 - shares) * latent + shares * anchor
            leads[i, j] = lead(mixed @ kernel + bias, label)
    return leads


def loss(shares, latent, anchor, label, kernel, bias):
    """Minus cross-entropy, and a hundredth of the norm of the shares."""
    mixed = (1 - shares) * latent + shares * anchor
    probability = softmax(mixed @ kernel + bias)[label]
    return np.log(probability) + 0.01 * np.linalg.norm(shares)


def differences(shares, *rest, step=1e-6):
    """The loss's gradient by central differences."""
    basis = step * np.eye(len(shares))
    return np.array([
        (loss(shares + way, *rest) - loss(shares - way, *rest)) / (2 * step)
        for way in basis
    ])  # fmt: skip


def learned(start, latent, anchor, label, kernel, bias):
    """Leads of the label at the start and after each of four steps of a new Adam.

    Also the least size of a gradient's entry: Adam's first step goes by signs.
    """
    shares, leads, least = np.clip(start, 1e-8, LEARNED_CAP), [], np.inf
    for _ in range(5):
        mixed = (1 - shares) * latent + shares * anchor
        leads.append(lead(mixed @ kernel + bias, label))
        gradient = differences(shares, latent, anchor, label, kernel, bias)
        least = min(least, np.abs(gradient).min())
        moment, square = 0.1 * gradient / (1 - 0.9), 1e-3 * gradient**2 / (1 - 0.999)
        shares = shares - 0.1 * moment / (np.sqrt(square) + 1e-8)
        shares = np.clip(shares, 1e-8, LEARNED_CAP)
    return np.array(leads), least


def main():
    rng = np.random.default_rng(0)
    rows = rng.gamma(1.0, size=(NUM_ROWS, NUM_DIMS)).astype(np.float32)
    kernel = rng.normal(size=(NUM_DIMS, NUM_CLASSES)).astype(np.float32)
    bias = (rng.normal(size=NUM_CLASSES) / 2).astype(np.float32)
    starts = LEARNED_CAP / 2 * (1 + rng.normal(size=(NUM_ROWS, NUM_DIMS)))
    starts = starts.astype(np.float32)
    shares = rng.uniform(0.05, 0.2, size=(NUM_ROWS, NUM_DIMS)).astype(np.float32)
    latents, head = rows.astype(np.float64), (np.float64(kernel), np.float64(bias))
    labels = np.full(NUM_ROWS, -1)
    present = np.delete(np.arange(NUM_CLASSES), ABSENT)
    labels[:NUM_LABELED] = np.resize(present, NUM_LABELED)
    anchors = anchors_of(latents[:NUM_LABELED], labels[:NUM_LABELED])
    predicted = (latents @ head[0] + head[1]).argmax(axis=1)
    anchor_of = np.arange(NUM_ROWS) % NUM_CLASSES
    found = {"closed": [], "learned": [], "loss": [], "gradient": []}
    kept = list(range(NUM_LABELED))
    for row in range(NUM_LABELED, NUM_ROWS):
        latent, label, anchor = latents[row], predicted[row], anchors[anchor_of[row]]
        mixed = closed_form(latent, label, anchors, *head)
        looks, least = learned(
            np.float64(starts[row]), latent, anchor, label, *head
        )  # fmt: skip
        clear = min(np.abs(mixed).min(), np.abs(looks).min(), least)
        if clear < CLEAR or lead(latent @ head[0] + head[1], label) < CLEAR:
            continue
        rest = (np.float64(shares[row]), latent, anchor, label, *head)
        kept.append(row)
        found["closed"].append((mixed < 0).any(axis=1))
        found["learned"].append((looks < 0).any())
        found["loss"].append(loss(*rest))
        found["gradient"].append(differences(*rest))
    kept = np.array(kept)
    arrays = {name: np.array(values) for name, values in found.items()}
    # One cluster has one centroid, wherever k-means starts: a whole query of one row.
    units = latents[kept] / np.linalg.norm(latents[kept], axis=1, keepdims=True)
    some = np.logical_or.accumulate(arrays["closed"], axis=1)
    first = np.argmax(some.sum(axis=0) > 1)
    members = NUM_LABELED + np.flatnonzero(some[:, first])
    gaps = np.linalg.norm(units[members] - units[members].mean(axis=0), axis=1)
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        latents=rows[kept], labels=labels[kept].astype(np.int32), kernel=kernel,
        bias=bias, anchors=anchors, anchor_of=anchor_of[kept], starts=starts[kept],
        shares=shares[kept], learned_cap=LEARNED_CAP, pick=members[gaps.argmin()],
        **arrays,
    )  # fmt: skip


if __name__ == "__main__":
    main()
