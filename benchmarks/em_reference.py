"""EM for diagonal mixtures in float64 NumPy: what float32 fits are compared with."""

from collections.abc import Callable
from typing import Any

import numpy as np
from em_peers import Parameters


def raising(floor: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Our regularisation of variances."""
    return lambda variances: np.maximum(variances, floor)


def adding(floor: float) -> Callable[[np.ndarray], np.ndarray]:
    """That of the peers."""
    return lambda variances: np.maximum(variances, 0) + floor


def fit(
    x: np.ndarray, start: Parameters, widen: Callable[[Any], Any], num_iters: int
) -> Parameters:
    """EM about the mean; `widen` regularises variances."""
    x = np.asarray(x, np.float64)
    centre = x.mean(0)
    x = x - centre
    weights, means, variances = (np.asarray(v, np.float64) for v in start)
    means, variances = means - centre, np.maximum(variances, widen(0 * variances))
    for _ in range(num_iters):
        joint = _log_joint(x, (weights, means, variances))
        gamma = np.exp(joint - joint.max(1, keepdims=True))
        gamma /= gamma.sum(1, keepdims=True)
        counts = np.maximum(gamma.sum(0), 1e-10)
        weights = counts / counts.sum()
        means = gamma.T @ x / counts[:, None]
        variances = widen(gamma.T @ x**2 / counts[:, None] - means**2)
    return weights, means + centre, variances


def _log_joint(x: np.ndarray, values: Parameters) -> np.ndarray:
    """Log densities plus log weights, [n, k]."""
    weights, means, variances = values
    linear = means / variances
    scale = (np.log(2 * np.pi * variances) + means * linear).sum(1)
    with np.errstate(divide="ignore"):
        constant = np.log(weights) - 0.5 * scale
    return x @ linear.T - 0.5 * (x**2 @ (1 / variances).T) + constant


def log_likelihood(x: np.ndarray, values: Any) -> float:
    """Mean log-likelihood of rows, nats, about their mean."""
    centre = x.mean(0, dtype=np.float64)
    weights, means, variances = (np.asarray(v, np.float64) for v in values)
    total = 0.0
    for first in range(0, len(x), 5_000):
        block = x[first : first + 5_000] - centre
        joint = _log_joint(block, (weights, means - centre, variances))
        peak = joint.max(1, keepdims=True)
        total += (peak[:, 0] + np.log(np.exp(joint - peak).sum(1))).sum()
    return total / len(x)
