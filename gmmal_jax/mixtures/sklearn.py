"""Gaussian mixtures behind scikit-learn's interface."""

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gmmal_jax.mixtures import em, evaluate, given, problem as problems
from gmmal_jax.mixtures.frame import on_host
from gmmal_jax.mixtures.moments import Floor
from gmmal_jax.switches import pinned
from gmmal_jax.types import Mixture


class GaussianMixture(DensityMixin, BaseEstimator):
    """A mixture with diagonal covariances, fitted by EM with JAX.

    In float32 on columns that were centred and scaled before, so that their units do
    not matter; in float64 where that is not enough (`health_`).

    Follows `sklearn.mixture.GaussianMixture`; what differs: variances have a floor
    relative to the data's (`variance_floor`) in place of `reg_covar`, so that dead,
    constant and far-off features do no harm; a component that loses its points is
    kept with a tiny weight; there are no full or tied covariances. `X` may be a memory
    map of any size: it is read in chunks.

    Args:
      n_components: k.
      covariance_type: `diag` or `spherical`.
      tol: stop when an iteration gains less, nats per row.
      variance_floor: smallest variance, as a share of the data's in each dimension.
      max_iter: most iterations.
      n_init: fits from different starts; the best one is kept.
      weights_init: [k], of the start; None: equal.
      means_init: [k, d], of the start; None: k-means++ on random rows.
      precisions_init: [k, d], or [k] if spherical; None: the data's.
      random_state: seeds starts and samples.

    Attributes:
      weights_: [k].
      means_: [k, d].
      covariances_: variances, [k, d]; [k] if spherical.
      precisions_: their reciprocals.
      converged_: whether the best fit gained less than `tol` in the end.
      n_iter_: its iterations.
      lower_bound_: its log-likelihood, nats per row.
      lower_bounds_: [t], that of every iteration.
      health_: how far the numbers can be trusted (`problem.Health`).
    """

    def __init__(
        self,
        n_components: Any = 1,
        *,
        covariance_type: Any = "diag",
        tol: Any = 1e-3,
        variance_floor: Any = 1e-4,
        max_iter: Any = 100,
        n_init: Any = 1,
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: Any = None,
    ) -> None:  # values are checked by fit, as scikit-learn demands
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.variance_floor = variance_floor
        self.max_iter = max_iter
        self.n_init = n_init
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "GaussianMixture":
        """Fit the mixture to X, [n, d]; y is ignored."""
        given.require_plain(X, "X")
        num_components, options, num_fits = self._checked()
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if len(X) < num_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = "
                f"{num_components}, n_samples = {len(X)}"
            )
        own = self._own_start(num_components, X.shape[1])
        random = check_random_state(self.random_state)
        with pinned():
            problem = problems.pose(X, None, num_components, options, name="X")
            starts = [self._start(problem, own, random) for _ in range(num_fits)]
            fits = [problems.solve(problem, start) for start in starts]
        best = max(fits, key=lambda fit: fit.log_likelihood[-1])
        self.weights_, self.means_, variances = map(np.asarray, best.mixture)
        spherical = self.covariance_type == "spherical"
        self.covariances_ = variances[:, 0] if spherical else variances
        self.precisions_ = 1 / self.covariances_
        self.converged_ = best.converged
        self.n_iter_ = best.iterations
        self.lower_bounds_ = best.log_likelihood
        self.lower_bound_ = float(best.log_likelihood[-1])
        self.health_ = best.health
        problems.warn(best.health, options, "X", "variance_floor")
        if not self.converged_:
            warnings.warn(
                # scikit-learn's words: filters know them.
                "Best performing initialization did not converge. Try different init "
                "parameters, or increase max_iter, tol, or check for degenerate data.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and the most probable component of every row, [n]."""
        return self.fit(X).predict(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of every row, [n]."""
        components: np.ndarray = self._evaluate("log_joint", X).argmax(axis=1)
        return components

    def predict_proba(self, X: Any) -> np.ndarray:
        """Posterior probabilities of the components, [n, k]."""
        return self._evaluate("posteriors", X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of every row, [n], nats."""
        return self._evaluate("log_likelihood", X)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood, nats per row."""
        return float(self.score_samples(X).mean())

    def aic(self, X: Any) -> float:
        """Akaike's information criterion on X; lower is better."""
        return -2 * self.score(X) * len(X) + 2 * self._num_parameters()

    def bic(self, X: Any) -> float:
        """Bayes' information criterion on X; lower is better."""
        penalty = self._num_parameters() * np.log(len(X))
        return float(-2 * self.score(X) * len(X) + penalty)

    def sample(self, n_samples: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Draw rows, [n, d], and the components they come from, [n]."""
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples}; at least one is needed"
            )
        random = check_random_state(self.random_state)
        weights, means, variances = self._mixture()
        counts = random.multinomial(n_samples, weights / weights.sum())
        components = np.repeat(np.arange(len(weights)), counts)
        noise = random.standard_normal((n_samples, means.shape[1]))
        return means[components] + np.sqrt(variances)[components] * noise, components

    def _checked(self) -> tuple[int, em.Options, int]:
        """The number of components, what every fit is told, and how many there are."""
        share = given.real(self.variance_floor, "variance_floor", positive=True)
        options = em.Options(
            given.whole(self.max_iter, "max_iter"),
            given.real(self.tol, "tol"),
            Floor(share, unit=1.0),
            given.covariance(self.covariance_type, "covariance_type"),
        )
        num_fits = given.whole(self.n_init, "n_init")
        return given.whole(self.n_components, "n_components"), options, num_fits

    def _own_start(self, num_components: int, dims: int) -> list[np.ndarray | None]:
        """Weights, means and variances of the start, as far as they are given."""
        wide = (num_components, dims)
        spherical = self.covariance_type == "spherical"
        weights = _checked(self.weights_init, "weights_init", (num_components,))
        means = _checked(self.means_init, "means_init", wide)
        shape = (num_components,) if spherical else wide
        precisions = _checked(self.precisions_init, "precisions_init", shape)
        if weights is not None:
            if weights.min() < 0:
                raise ValueError("weights_init must not be negative")
            given.require_sum(weights, "weights_init")
        variances = None
        if precisions is not None:
            if precisions.min() <= 0:
                raise ValueError("precisions_init must be positive")
            variances = 1 / precisions
            if spherical:
                variances = np.repeat(variances[:, None], dims, axis=1)
        return [weights, means, variances]

    def _start(
        self,
        problem: problems.Problem,
        own: list[np.ndarray | None],
        random: np.random.RandomState,
    ) -> Mixture:
        """The start within the problem's frame; k-means++ for what is not given."""
        key = given.key(int(random.randint(2**31 - 1)))
        drawn = problem.frame.outward(problems.begin(problem, "kmeans++", key))
        parts = zip(own, drawn, strict=True)
        start = (other if mine is None else mine for mine, other in parts)
        return problem.frame.inward(on_host(start))

    def _evaluate(self, values: evaluate.Values, X: Any) -> np.ndarray:
        check_is_fitted(self)
        given.require_plain(X, "X")
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return evaluate.evaluate(values, X, self._mixture())

    def _mixture(self) -> Mixture:
        variances = np.asarray(self.covariances_)
        if variances.ndim == 1:
            variances = np.broadcast_to(variances[:, None], self.means_.shape)
        return on_host([self.weights_, self.means_, variances])

    def _num_parameters(self) -> int:
        return self.means_.size + self.covariances_.size + len(self.weights_) - 1


def _checked(values: Any, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Finite numbers of a shape, float64, or nothing."""
    if values is None:
        return None
    found = np.asarray(given.array(values, name), np.float64)
    if found.shape != shape:
        raise ValueError(
            f"The parameter {name!r} should have the shape of {shape}, but got "
            f"{found.shape}"
        )
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, it has NaN or infinity")
    return found
