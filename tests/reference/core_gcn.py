"""CoreGCN in plain NumPy and float64, with its matrix formed and gradients by
differences: `python tests/reference/core_gcn.py` writes core_gcn.npz beside itself.

Graph: X rows of length 1, S = X X' - I, A = S diag(1 / column sums) + I.
Network: H = relu(A (X W) + b), q = sigmoid(A (H w) + a), without dropout.
Loss: -mean over labeled log q - 1.2 mean over unlabeled log(1 - q).
Training: Adam (0.001; 0.9, 0.999, 1e-8), 0.1 times the parameters added to
gradients (published: 5e-4, which a few steps would not show).
"""

from pathlib import Path

import numpy as np

ROWS, FEATURES, HIDDEN, STEPS, BUDGET = 24, 6, 5, 8, 5
WEIGHT, RATE, DECAY, MARGIN = 1.2, 1e-3, 0.1, 0.1
NEAR = 1e-5
"""Of differences; their error is its square."""


def unpack(flat):
    kernel, rest = flat[: FEATURES * HIDDEN], flat[FEATURES * HIDDEN :]
    return kernel.reshape(FEATURES, HIDDEN), rest[:HIDDEN], rest[HIDDEN:-1], rest[-1]


def matrix(latents):
    x = latents / np.linalg.norm(latents, axis=1, keepdims=True)
    s = x @ x.T - np.eye(len(x))
    return x, s / s.sum(axis=0)[None, :] + np.eye(len(x))


def forward(flat, x, a):
    kernel, bias, weights, offset = unpack(flat)
    hidden = np.maximum(a @ (x @ kernel) + bias, 0)
    return hidden, a @ (hidden @ weights) + offset


def loss(flat, x, a, labeled):
    _, logits = forward(flat, x, a)
    ones = -np.logaddexp(0, -logits[labeled]).mean()
    zeros = -np.logaddexp(0, logits[~labeled]).mean()
    return -ones - WEIGHT * zeros


def gradient(flat, x, a, labeled):
    found = np.zeros_like(flat)
    for i in range(len(flat)):
        step = np.zeros_like(flat)
        step[i] = NEAR
        above, below = (loss(flat + s, x, a, labeled) for s in (step, -step))
        found[i] = (above - below) / (2 * NEAR)
    return found


def terms(flat, x, a, labeled):
    """What loss and gradient add up, without signs: float32 errs by shares of it."""
    kernel, bias, weights, offset = (np.abs(p) for p in unpack(flat))
    a = np.abs(a)
    hidden = a @ (x @ kernel) + bias
    slopes = np.where(labeled, 1 / labeled.sum(), WEIGHT / (~labeled).sum())
    size = slopes @ (a @ (hidden @ weights) + offset)
    back = a.T @ slopes
    to_hidden = back[:, None] * weights[None, :]
    parts = ((a @ x).T @ to_hidden, to_hidden.sum(0), hidden.T @ back, slopes.sum())
    return size, np.concatenate([np.ravel(part) for part in parts])


def train(flat, x, a, labeled):
    first, second, worst = np.zeros_like(flat), np.zeros_like(flat), 0.0
    for step in range(1, STEPS + 1):
        g = gradient(flat, x, a, labeled) + DECAY * flat
        worst = max(worst, (terms(flat, x, a, labeled)[1] / np.abs(g)).max())
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g**2
        corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
        flat = flat - RATE * first / (1 - 0.9**step) / corrected
    return flat, worst


def k_center(points, labeled):
    nearest = np.linalg.norm(points[:, None] - points[None, labeled], axis=2).min(1)
    picks = []
    for _ in range(BUDGET):
        second, first = np.sort(nearest)[-2:]
        assert first - second > 1e-3 * first, "a tie: take another seed"
        picks.append(int(nearest.argmax()))
        far = np.linalg.norm(points - points[picks[-1]], axis=1)
        nearest = np.minimum(nearest, far)
    return picks


def main():
    rng = np.random.default_rng(28)
    latents = rng.gamma(1.0, size=(ROWS, FEATURES)).astype(np.float32)
    labeled = np.arange(ROWS) % 4 == 1
    # A seed with gaps between picks, and no gradient that rounding could turn.
    bounds = [HIDDEN**-0.5] * (FEATURES + 1) * HIDDEN + [1.0] * (HIDDEN + 1)
    start = rng.uniform(-1, 1, len(bounds)).astype(np.float32) * np.float32(bounds)
    x, a = matrix(np.float64(latents))
    begin = np.float64(start)
    loss_terms, gradient_terms = terms(begin, x, a, labeled)
    trained, worst = train(begin, x, a, labeled)
    hidden, logits = forward(trained, x, a)
    gaps = np.where(labeled, np.inf, np.abs(1 / (1 + np.exp(-logits)) - MARGIN))
    assert np.diff(np.sort(gaps)[: BUDGET + 1]).min() > 1e-4, "take another seed"
    np.savez_compressed(
        Path(__file__).with_suffix(".npz"),
        latents=latents,
        labeled=labeled,
        matrix=a,
        start=start,
        loss=loss(begin, x, a, labeled),
        loss_terms=loss_terms,
        gradient=gradient(begin, x, a, labeled),
        gradient_terms=gradient_terms,
        trained=trained,
        terms_over_gradient=worst,
        core=k_center(hidden, labeled),
        uncertain=np.argsort(gaps)[:BUDGET],
    )


if __name__ == "__main__":
    main()
