"""Gaussian mixtures behind scikit-learn's interface."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gmmal_jax.mixtures import api, gaussian
from gmmal_jax.types import Mixture

_BLOCK_ROWS = 512
"""Rows are scored in blocks of one shape: one compilation, and a row's result does
not depend on the rows beside it."""


class GaussianMixture(DensityMixin, BaseEstimator):
    """A mixture with diagonal covariances, fitted by EM in float32 with JAX.

    Follows `sklearn.mixture.GaussianMixture`; what differs: variances have a floor
    relative to the data's (`variance_floor`) in place of `reg_covar`, so that dead,
    constant and far-off features do no harm; a component that loses its points is
    kept with a tiny weight; there are no full or tied covariances. `X` may be a
    float32 memory map of any size: it is read in chunks.

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
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        if self.n_init < 1:
            raise ValueError(f"n_init must be at least 1, not {self.n_init}")
        if self.covariance_type not in ("diag", "spherical"):
            raise ValueError(
                "covariance_type must be 'diag' or 'spherical', not "
                f"{self.covariance_type!r}"
            )
        if len(X) < self.n_components:
            raise ValueError(
                f"Expected n_samples >= n_components but got n_components = "
                f"{self.n_components}, n_samples = {len(X)}"
            )
        random = check_random_state(self.random_state)
        fits = [self._fit_once(X, random) for _ in range(self.n_init)]
        best = max(fits, key=lambda fit: fit.log_likelihood[-1])
        self.weights_, self.means_, variances = map(np.asarray, best.mixture)
        spherical = self.covariance_type == "spherical"
        self.covariances_ = variances[:, 0] if spherical else variances
        self.precisions_ = 1 / self.covariances_
        self.converged_ = best.converged
        self.n_iter_ = best.iterations
        self.lower_bounds_ = best.log_likelihood
        self.lower_bound_ = float(best.log_likelihood[-1])
        if not self.converged_:
            warnings.warn(
                f"no fit gained less than tol={self.tol} in {self.max_iter} iterations;"
                " try a higher max_iter or tol, and look for degenerate data",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Fit, and the most probable component of every row, [n]."""
        return self.fit(X).predict(X)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable component of every row, [n]."""
        components: np.ndarray = self._evaluate(_joint, X).argmax(axis=1)
        return components

    def predict_proba(self, X: Any) -> np.ndarray:
        """Posterior probabilities of the components, [n, k]."""
        return self._evaluate(_posteriors, X)

    def score_samples(self, X: Any) -> np.ndarray:
        """Log-likelihood of every row, [n], nats."""
        return self._evaluate(_log_likelihood, X)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood, nats per row."""
        return float(self.score_samples(X).mean(dtype=np.float64))

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
            raise ValueError(f"n_samples must be at least 1, not {n_samples}")
        random = check_random_state(self.random_state)
        weights = self.weights_.astype(np.float64)
        counts = random.multinomial(n_samples, weights / weights.sum())
        components = np.repeat(np.arange(len(weights)), counts)
        _, means, variances = map(np.asarray, self._mixture())
        noise = random.standard_normal((n_samples, means.shape[1]))
        return means[components] + np.sqrt(variances)[components] * noise, components

    def _fit_once(self, X: np.ndarray, random: np.random.RandomState) -> api.MixtureFit:
        seed = int(random.randint(2**31 - 1))
        options: dict[str, Any] = {
            "seed": seed,
            "num_iters": self.max_iter,
            "tolerance": self.tol,
            "variance_floor": self.variance_floor,
            "covariance": self.covariance_type,
        }
        given = (self.weights_init, self.means_init, self.precisions_init)
        if any(values is not None for values in given):
            options["start"] = self._start(X, seed)
        return api.fit_mixture(X, self.n_components, **options)

    def _start(self, X: np.ndarray, seed: int) -> Mixture:
        """The start as given; k-means++ stands in for what is not."""
        drawn = api.kmeanspp(X, self.n_components, seed=seed)
        weights, means, variances = map(np.asarray, drawn)
        if self.weights_init is not None:
            weights = np.asarray(self.weights_init)
        if self.means_init is not None:
            means = np.asarray(self.means_init)
        if self.precisions_init is not None:
            variances = 1 / np.asarray(self.precisions_init, np.float64)
            if variances.ndim == 1:
                variances = np.repeat(variances[:, None], X.shape[1], axis=1)
        return Mixture(
            *(jnp.asarray(v, jnp.float32) for v in (weights, means, variances))
        )

    def _evaluate(self, function: Any, X: Any) -> np.ndarray:
        """A function of rows and the mixture, block by block."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        mixture = self._mixture()
        results = []
        for first in range(0, len(X), _BLOCK_ROWS):
            block = np.asarray(X[first : first + _BLOCK_ROWS], np.float32)
            missing = ((0, _BLOCK_ROWS - len(block)), (0, 0))
            values = function(jnp.asarray(np.pad(block, missing)), mixture)
            results.append(np.asarray(values)[: len(block)])
        return np.concatenate(results)

    def _mixture(self) -> Mixture:
        variances = self.covariances_
        if variances.ndim == 1:
            variances = np.broadcast_to(variances[:, None], self.means_.shape)
        return Mixture(*map(jnp.asarray, (self.weights_, self.means_, variances)))

    def _num_parameters(self) -> int:
        return self.means_.size + self.covariances_.size + len(self.weights_) - 1


_joint = jax.jit(gaussian.log_joint)
_log_likelihood = jax.jit(gaussian.log_likelihood)


@jax.jit
def _posteriors(latents: jax.Array, mixture: Mixture) -> jax.Array:
    return jnp.exp(gaussian.log_posteriors(latents, mixture))
