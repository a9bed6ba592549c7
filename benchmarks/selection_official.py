"""CoreGCN and ALFA-Mix in plain NumPy, step by step as their authors' code goes."""

from collections.abc import Callable
from typing import Any

import numpy as np

_HIDDEN, _DROPOUT, _UNLABELED_WEIGHT = 128, 0.3, 1.2
_RATE, _DECAY = 1e-3, 5e-4
_CAP = 0.2


def core_gcn(view: Any, budget: int, steps: int) -> Callable[[], Any]:
    """A graph network on the matrix of all rows by all, then greedy k-center."""
    z, labeled = view.columns["latents"], view.labeled

    def call() -> list[int]:
        x = z / np.linalg.norm(z, axis=1, keepdims=True)
        joined = x @ x.T
        joined[np.diag_indices(len(x))] -= 1
        joined /= joined.sum(axis=0)
        joined[np.diag_indices(len(x))] += 1
        hidden = _trained_hidden(x, joined, labeled, steps)
        return _k_center(hidden, labeled, budget)

    return call


def _trained_hidden(
    x: np.ndarray, joined: np.ndarray, labeled: np.ndarray, steps: int
) -> np.ndarray:
    """The hidden layer [n, h] of two graph convolutions after Adam's steps."""
    rng = np.random.default_rng(0)
    shapes = ((x.shape[1], _HIDDEN), (_HIDDEN,), (_HIDDEN, 1), (1,))
    weights = [
        rng.uniform(-1, 1, shape).astype(np.float32) / np.float32(shape[-1] ** 0.5)
        for shape in shapes
    ]
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    for step in range(1, steps + 1):
        keep = rng.random((len(x), _HIDDEN), np.float32) >= _DROPOUT
        gradients = _gradients(weights, x, joined, labeled, keep / np.float32(0.7))
        for w, g, m, v in zip(weights, gradients, first, second, strict=True):
            g = g + _DECAY * w
            m += 0.1 * (g - m)
            v += 0.001 * (g**2 - v)
            far = np.sqrt(v / (1 - 0.999**step)) + 1e-8
            w -= _RATE * (m / (1 - 0.9**step)) / far
    return np.maximum(joined @ (x @ weights[0]) + weights[1], 0)


def _gradients(
    weights: list[np.ndarray],
    x: np.ndarray,
    joined: np.ndarray,
    labeled: np.ndarray,
    keep: np.ndarray,
) -> list[np.ndarray]:
    """Of -mean over labeled log q - 1.2 mean over unlabeled log(1 - q)."""
    kernel, bias, last, offset = weights
    before = joined @ (x @ kernel) + bias
    hidden = np.maximum(before, 0) * keep
    q = 1 / (1 + np.exp(-(joined @ (hidden @ last) + offset)))[:, 0]
    number = labeled.sum()
    slope = np.where(
        labeled, (q - 1) / number, _UNLABELED_WEIGHT * q / (len(q) - number)
    ).astype(np.float32)[:, None]
    back = joined.T @ slope
    before_slope = (back @ last.T) * keep * (before > 0)
    return [
        x.T @ (joined.T @ before_slope), before_slope.sum(axis=0),
        hidden.T @ back, slope.sum(axis=0),
    ]  # fmt: skip


def _k_center(points: np.ndarray, centers: np.ndarray, budget: int) -> list[int]:
    squares = (points**2).sum(axis=1)

    def to(rows: np.ndarray) -> np.ndarray:
        both = squares[:, None] + squares[rows][None, :]
        return (both - 2 * points @ points[rows].T).min(axis=1)

    gaps, chosen = to(np.flatnonzero(centers)), list[int]()
    while len(chosen) < budget:
        gaps[centers], gaps[chosen] = -np.inf, -np.inf
        chosen.append(int(gaps.argmax()))
        gaps = np.minimum(gaps, to(np.array(chosen[-1:])))
    return chosen


def alfa_mix(view: Any, budget: int, steps: int) -> Callable[[], Any]:
    """Latents mixed with each anchor at each cap, a prediction each, and k-means."""
    from sklearn.cluster import KMeans

    z, logits = view.columns["latents"], view.columns["logits"]
    kernel, bias = view.head
    known, free = view.labels[view.labeled], np.flatnonzero(view.candidates)

    def call() -> np.ndarray:
        rows, predicted = z[free], logits[free].argmax(axis=1)
        bought = z[view.labeled]
        anchors = [bought[known == k].mean(axis=0) for k in range(len(bias))]
        odds = np.exp(logits[free] - logits[free].max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        odds[np.arange(len(rows)), predicted] -= 1
        slope = odds @ kernel.T
        slope /= np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-12)
        changed, cap = np.zeros(len(rows), bool), _CAP
        while changed.sum() <= budget and cap <= 1 + 1e-6:
            for anchor in anchors:
                away = anchor - rows
                length = np.linalg.norm(away, axis=1, keepdims=True)
                shares = cap / z.shape[1] ** 0.5 * length * slope / (away + 1e-8)
                mixed = (1 - shares) * rows + shares * anchor
                changed |= (mixed @ kernel + bias).argmax(axis=1) != predicted
            cap += _CAP
        inside = np.flatnonzero(changed)
        points = rows[inside]
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
        clusters = min(budget, len(inside))
        model = KMeans(clusters, n_init=1, max_iter=steps, tol=0, random_state=0)
        gaps = ((points - model.fit(points).cluster_centers_[model.labels_]) ** 2).sum(
            axis=1
        )
        order = np.lexsort((gaps, model.labels_))
        nearest = order[np.unique(model.labels_[order], return_index=True)[1]]
        chosen = inside[nearest]
        rest = np.setdiff1d(np.arange(len(rows)), chosen)
        missing = np.random.default_rng(0).choice(
            rest, budget - len(chosen), replace=False
        )
        return free[np.concatenate([chosen, missing])]

    return call
