"""WAAL's losses, their gradients and a query in float64, from the equations alone.

`python tests/reference/waal.py` writes waal.npz beside this file.
"""

from pathlib import Path

import numpy as np
from perceptron import gradients

ROWS, LATENT, HIDDEN, CLASSES, BUDGET = 6, 5, 7, 4, 5
COUNTS = (30, 120)
PENALTY_WEIGHT, ALPHA, SELECTION = 2.0, 0.7, 10.0
STEP = 1e-6
"""Of central differences: their error is about STEP^2, and rounding's 1e-16 / STEP."""


def before_relu(params, points):
    return points @ params["kernel_0"] + params["bias_0"]


def critic(params, points, kept=1.0):
    hidden = np.maximum(before_relu(params, points), 0) * kept
    return 1 / (1 + np.exp(-(hidden @ params["kernel_1"] + params["bias_1"])[:, 0]))


def slopes(params, points):
    """Length of the critic's gradient at each point, by the chain rule."""
    value = critic(params, points)
    active = (before_relu(params, points) > 0) * params["kernel_1"][:, 0]
    gradient = (value * (1 - value))[:, None] * (active @ params["kernel_0"].T)
    return np.sqrt(np.sum(gradient**2, axis=1))


def distance(params, labeled, unlabeled, kept=(1.0, 1.0), gamma=1.0):
    return np.mean(critic(params, unlabeled, kept[1])) - gamma * np.mean(
        critic(params, labeled, kept[0])
    )


def penalty(params, labeled, unlabeled, mix, sides):
    between = mix[:, None] * labeled + (1 - mix[:, None]) * unlabeled
    excess = slopes(params, np.concatenate([between, labeled, unlabeled])) - 1
    return np.mean((np.maximum(excess, 0) if sides == "one" else excess) ** 2)


def paper_loss(params, labeled, unlabeled, mix, kept):
    """The critic's: the distance with units at rest, the penalty without."""
    gap = distance(params, labeled, unlabeled, kept)
    return -gap + PENALTY_WEIGHT * penalty(params, labeled, unlabeled, mix, "one")


def code_loss(params, labeled, unlabeled, mix):
    """The code's, without dropout: the penalty has the sign of the distance."""
    gap = distance(params, labeled, unlabeled, gamma=COUNTS[0] / COUNTS[1])
    return -ALPHA * gap - ALPHA * 2 * penalty(params, labeled, unlabeled, mix, "two")


def network_term(params, labeled, unlabeled, kept):
    return ALPHA * distance(params, labeled, unlabeled, kept)


def query(logits, looks_unlabeled):
    """Rows of the smallest score, and the scores."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_p = np.maximum(log_p, -50)
    norms = [np.linalg.norm(log_p, order, axis=1) for order in (1, 2)]
    score = sum(norms) / 2 - SELECTION * looks_unlabeled
    return np.argsort(score)[:BUDGET], score


def main():
    rng = np.random.default_rng(1)
    params = {
        "kernel_0": 2 * rng.normal(size=(LATENT, HIDDEN)),
        "bias_0": rng.normal(size=HIDDEN),
        "kernel_1": 2 * rng.normal(size=(HIDDEN, 1)),
        "bias_1": rng.normal(size=1),
    }
    labeled, unlabeled = rng.gamma(1.0, size=(2, ROWS, LATENT)) / 2
    mix = rng.uniform(size=ROWS)
    kept = 2.0 * (rng.uniform(size=(2, ROWS, HIDDEN)) > 0.5)
    given = {**params, "labeled": labeled, "unlabeled": unlabeled, "mix": mix}
    given = {name: np.float32(values) for name, values in given.items()}
    wide = {name: np.float64(values) for name, values in given.items()}
    params = {name: wide[name] for name in params}
    labeled, unlabeled, mix = wide["labeled"], wide["unlabeled"], wide["mix"]

    between = mix[:, None] * labeled + (1 - mix[:, None]) * unlabeled
    points = np.concatenate([between, labeled, unlabeled])
    assert np.abs(before_relu(params, points)).min() > 1e-3, "a kink: another seed"
    steep = slopes(params, points)
    assert np.abs(steep - 1).min() > 1e-3 and 2 < (steep > 1).sum() < len(steep) - 2

    out = {**given, "kept": np.float32(kept), "counts": np.int32(COUNTS)}
    losses = {
        "paper": lambda p: paper_loss(p, labeled, unlabeled, mix, kept),
        "code": lambda p: code_loss(p, labeled, unlabeled, mix),
    }
    for kind, loss in losses.items():
        out[f"{kind}_loss"] = loss(params)
        out |= {f"{kind}_{k}": v for k, v in gradients(loss, params, STEP).items()}
    for sides in ("one", "two"):
        out[f"penalty_{sides}"] = penalty(params, labeled, unlabeled, mix, sides)
    pair = {"labeled": labeled, "unlabeled": unlabeled}
    out["term"] = network_term(params, **pair, kept=kept)
    term = gradients(lambda p: network_term(params, **p, kept=kept), pair, STEP)
    out |= {f"term_{name}": values for name, values in term.items()}
    logits = np.float32(8 * rng.normal(size=(40, CLASSES)))
    looks = np.float32(rng.uniform(size=40))
    out["chosen"], out["score"] = query(np.float64(logits), np.float64(looks))
    out |= {"logits": logits, "looks_unlabeled": looks}
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **out)


if __name__ == "__main__":
    main()
