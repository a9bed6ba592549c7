"""Latents that break naive mixtures, and float64 references written with loops."""

import jax.numpy as jnp
import numpy as np

from gmmal_jax.types import Mixture

KINDS = ("plain", "dead", "constant", "offset")


def features(kind, n, d, k, seed=0):
    """Pooled ReLU features of k classes, float32 [n, d], and their classes [n]."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, k, n)
    patterns = rng.normal(size=(k, d))
    noise = rng.normal(size=(4, n, d))
    latents = np.maximum(patterns[classes] + noise, 0).mean(0)
    latents *= np.exp(rng.normal(size=d))
    fifth = slice(0, max(d // 5, 1))
    if kind == "dead":
        latents[:, fifth] = 0
    if kind == "constant":
        latents[:, fifth] = 3.7
    if kind == "offset":
        latents += 100 * latents.std(0)
    return latents.astype(np.float32), classes.astype(np.int32)


def random_start(latents, k, seed=1):
    """k random rows as means, the data's variances, equal weights."""
    rows = np.random.default_rng(seed).choice(len(latents), k, replace=False)
    variances = np.broadcast_to(
        latents.var(0, dtype=np.float64) + 1e-12, (k, latents.shape[1])
    )
    return mixture(np.full(k, 1 / k), latents[rows], variances)


def mixture(weights, means, variances):
    return Mixture(*(jnp.asarray(x, jnp.float32) for x in (weights, means, variances)))


def as64(values):
    return Mixture(*(np.asarray(x, np.float64) for x in values))


def floor64(latents, share=1e-4):
    variance = np.asarray(latents, np.float64).var(0)
    floor = np.where(
        variance < 1e-6 * variance.mean(), 1e-4 * variance.mean(), share * variance
    )
    return np.maximum(floor, 1e-20)


def log_joint64(latents, values):
    """[n, k] by direct differences."""
    latents, (weights, means, variances) = np.asarray(latents, np.float64), as64(values)
    terms = []
    for w, mean, variance in zip(weights, means, variances, strict=True):
        logs = np.log(2 * np.pi * variance).sum()
        terms.append(
            np.log(w) - 0.5 * (((latents - mean) ** 2 / variance).sum(1) + logs)
        )
    return np.stack(terms, 1)


def log_likelihood64(latents, values):
    return evidence64(log_joint64(latents, values))


def evidence64(joint):
    peak = joint.max(1, keepdims=True)
    return peak[:, 0] + np.log(np.exp(joint - peak).sum(1))


def em64(latents, start, num_iters, share=1e-4):
    """EM with floor and dead components; the mixture and [t] log-likelihoods."""
    latents = np.asarray(latents, np.float64)
    floor, total = floor64(latents, share), latents.var(0)
    weights, means, variances = as64(start)
    variances = np.maximum(variances, floor)
    history = []
    for _ in range(num_iters):
        values = Mixture(weights, means, variances)
        joint = log_joint64(latents, values)
        evidence = evidence64(joint)
        history.append(evidence.mean())
        gamma = np.exp(joint - evidence[:, None])
        counts = gamma.sum(0)
        live = (counts > 1e-3)[:, None]
        divisor = np.where(live, counts[:, None], 1)
        means = np.where(live, gamma.T @ latents / divisor, means)
        own = np.stack(
            [g @ (latents - m) ** 2 for g, m in zip(gamma.T, means, strict=True)]
        )
        variances = np.where(
            live, np.maximum(own / divisor, floor), np.maximum(total, floor)
        )
        weights = np.where(live[:, 0], counts, 1e-3)
        weights = weights / weights.sum()
    return Mixture(weights, means, variances), np.array(history)


def relative(value, reference):
    return np.max(np.abs(np.asarray(value, np.float64) - reference) / np.abs(reference))


def assert_finite(values):
    for array in values:
        assert np.isfinite(np.asarray(array)).all()
    assert (np.asarray(values.variances) > 0).all()
