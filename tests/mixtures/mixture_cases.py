"""Latents that break naive mixtures, and float64 references written with loops.

EM is chaotic where two components share points, so no constant tells how far two
right fits may be apart: `band64` measures it for the rows and the start at hand.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from rounding import DRAWS, HALF_ULP, SAFETY, Rounding, exactly, sums_of

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


def floor64(latents, share=1e-4, covariance="diag"):
    """A dimension is constant for its own size and float32's rounding."""
    latents = np.asarray(latents, np.float64)
    variance = constrain64(latents.var(0), covariance)
    size = constrain64(latents.mean(0) ** 2, covariance)
    constant = variance <= (4 * np.finfo(np.float32).eps) ** 2 * size
    return share * np.where(constant, np.where(size > 0, size, 1.0), variance)


def dead64(latents, share=1e-4, covariance="diag"):
    """A run's rule: a dimension is dead beside the others."""
    variance = constrain64(np.asarray(latents, np.float64).var(0), covariance)
    mean = variance.mean()
    return np.where(variance < 1e-6 * mean, 1e-4 * mean, share * variance)


def constrain64(variances, covariance):
    if covariance == "diag":
        return variances
    return np.broadcast_to(variances.mean(-1, keepdims=True), variances.shape)


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


DRIFT = 4.0
"""What `em.fit` promises of the centre that it keeps for some iterations: rho is at
most so many times what a new centre gives (or 1)."""


def centre64(latents, values):
    """The origin of an iteration's sums, as `gaussian.precision_centre` says."""
    weights, means, variances = values
    precisions = np.maximum(weights, 1e-8)[:, None] / variances
    centre = (precisions * means).sum(0) / precisions.sum(0)
    mean, std = latents.mean(0), latents.std(0)
    return np.clip(centre, mean - 3 * std, mean + 3 * std)


def rho64(values, centre):
    distances = (values.means - centre) ** 2 / values.variances
    return (values.weights[:, None] * distances).sum(0).mean()


def terms64(latents, values, centre):
    """[n, k]: what a log-density adds up about a centre, each term without its sign."""
    weights, means, variances = values
    x, offsets, precisions = np.abs(latents - centre), means - centre, 1 / variances
    products = x @ (np.abs(offsets) * precisions).T + 0.5 * (x**2 @ precisions.T)
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(weights), -100)
    return products + constants64(values, centre) - logs


def constants64(values, centre):
    """[k]: the terms of a log-density that all rows share, without their signs."""
    offsets = values.means - centre
    logs = np.abs(np.log(2 * np.pi * values.variances))
    return 0.5 * (logs + offsets**2 / values.variances).sum(1)


def evaluation64(latents, values):
    """[n, k]: how far a log-joint density in float32 may be from the true one."""
    latents, values = np.asarray(latents, np.float64), as64(values)
    mean = values.weights @ values.means
    variance = values.weights @ (values.variances + (values.means - mean) ** 2)
    ends = np.stack([mean - np.sqrt(variance), mean + np.sqrt(variance)])
    terms = terms64(latents, values, centre64(ends, values))
    return sums_of(2 * latents.shape[1]) * terms


def em64(
    latents, start, num_iters, share=1e-4, covariance="diag", rounded=exactly,
    floor_of=floor64, copies=1,
):  # fmt: skip
    """EM with floor and dead components; the mixture and [t] log-likelihoods.

    Differences are formed directly, in float64. `rounded` may spoil what float32
    rounds: rows and start, and in each iteration the log-densities and the sums of n
    terms about the centre, and the mixture. Of so many `copies` of all rows each has
    its row's errors, and sums have as many terms more.
    """
    latents = rounded(np.asarray(latents, np.float64))
    num_rows = copies * len(latents)
    total = rounded(constrain64(latents.var(0), covariance), roundings=num_rows)
    floor = floor_of(latents, share, covariance)
    weights, means, variances = (rounded(x) for x in as64(start))
    variances = np.maximum(constrain64(variances, covariance), floor)
    history, centre = [], 0.0
    for iteration in range(num_iters):
        values = Mixture(weights, means, variances)
        fresh = centre64(latents, values)
        best = max(rho64(values, fresh), 1.0)
        # A start is about as wide as the data, the first fit is not.
        if iteration < 2 or rho64(values, centre) > DRIFT * best:
            centre = fresh
        joint = log_joint64(latents, values)
        joint = rounded(joint, terms64(latents, values, centre))
        # The same error for all rows, so their mean has it too.
        dims = latents.shape[1]
        joint += rounded(np.zeros(len(weights)), constants64(values, centre), dims)
        evidence = evidence64(joint)
        history.append(evidence.mean())
        gamma = np.exp(joint - evidence[:, None])
        counts = rounded(gamma.sum(0), roundings=num_rows)
        live = (counts > 1e-3)[:, None]
        shares = gamma.T / np.maximum(gamma.sum(0), 1e-300)[:, None]
        found = shares @ latents
        spreads = np.stack(
            [g @ (latents - m) ** 2 for g, m in zip(shares, found, strict=True)]
        )
        # Float32 has the spread from squares about the centre: there it cancels.
        squares = spreads + (found - centre) ** 2
        found = rounded(rounded(found, np.sqrt(squares), num_rows))
        spreads = constrain64(rounded(spreads, squares, num_rows), covariance)
        means = np.where(live, found, means)
        variances = np.where(live, np.maximum(spreads, floor), np.maximum(total, floor))
        variances = rounded(variances)
        weights = np.where(live[:, 0], counts, 1e-3)
        weights = rounded(weights / weights.sum())
    return Mixture(weights, means, variances), np.array(history)


class Band(NamedTuple):
    """Where right float32 fits of the same rows from the same start lie.

    Attributes:
      latents: [n, d], the rows that count.
      mixture: the float64 fit.
      history: [t], its log-likelihoods.
      draws: fits that were rounded at random, and their log-likelihoods.
    """

    latents: np.ndarray
    mixture: Mixture
    history: np.ndarray
    draws: list[tuple[Mixture, np.ndarray]]

    def width(self, measure):
        """Furthest that a right fit's measure [...] may be from the float64 fit's."""
        middle = measure(self.mixture)
        moved = [np.abs(measure(mixture) - middle).max() for mixture, _ in self.draws]
        return SAFETY * max(moved)

    def history_width(self):
        """[t]; what rounding has moved once may come back in a later iteration.

        The mean over rows is itself a sum of n terms in float32.
        """
        moved = np.max([np.abs(h - self.history) for _, h in self.draws], axis=0)
        own = HALF_ULP * np.sqrt(len(self.latents)) * np.abs(self.history)
        return SAFETY * np.maximum.accumulate(moved) + own

    def holds(self, mixture, history=None):
        """Fail unless a float32 fit lies within."""
        mixture, scale = as64(mixture), np.sqrt(self.mixture.variances)
        for name, measure in {
            "log-likelihood": lambda m: log_likelihood64(self.latents, m).mean(),
            "weights": lambda m: m.weights,
            "means": lambda m: m.means / scale,
            "variances": lambda m: np.log(m.variances),
        }.items():
            self.holds_measure(name, measure, measure(mixture))
        if history is not None:
            error = np.abs(np.asarray(history, np.float64) - self.history)
            assert (error <= self.history_width()).all(), (error, self.history_width())

    def holds_measure(self, name, measure, found, slack=0.0):
        """Fail unless one measure lies within, and so much beside it."""
        error = np.abs(np.asarray(found, np.float64) - measure(self.mixture)).max()
        width = self.width(measure) + slack
        assert error <= width, f"{name}: {error:.2g} off, at most {width:.2g} expected"


def band64(latents, start, num_iters, **options):
    """Measure how far float32's rounding may move a fit.

    The float64 fit is repeated with everything rounded that a float32 fit rounds, by
    half a unit in float32's last place with random, seeded signs. A fit where nothing
    is chaotic gets a band as narrow as float32; where two components share points it
    is as wide as it must be.

    Args:
      latents: [n, d], the rows that count.
      start: where the fits start.
      num_iters: t.
      **options: of `em64`.
    """
    latents = np.asarray(latents, np.float64)
    mixture, history = em64(latents, start, num_iters, **options)
    draws = [
        em64(latents, start, num_iters, rounded=Rounding(seed), **options)
        for seed in range(DRAWS)
    ]
    latents = np.repeat(latents, options.get("copies", 1), axis=0)
    return Band(latents, mixture, history, draws)


def clear_tolerance(band):
    """A tolerance that no rounding can miss or meet too early, and where it stops."""
    gains, width = np.diff(band.history), band.history_width()
    errors = width[1:] + width[:-1]
    for t in range(1, len(gains)):
        low, high = gains[t] + errors[t], (gains - errors)[:t].min()
        if 0 < low < high:
            return (low + high) / 2, t + 2
    raise AssertionError("no iteration gains clearly less than all before it")


def relative(value, reference):
    return np.max(np.abs(np.asarray(value, np.float64) - reference) / np.abs(reference))


def assert_finite(values):
    for array in values:
        assert np.isfinite(np.asarray(array)).all()
    assert (np.asarray(values.variances) > 0).all()
