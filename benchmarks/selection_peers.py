"""What the rows of `selection.py` are compared with, each on the same arrays.

A function takes arrays and returns a call; what it needs is imported here and nowhere
else, so that a row whose peer is not installed says so and the others go on.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

Build = Callable[[], Callable[[], Any]]


def ready(build: Build | None) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer's call, or why there is none."""
    if build is None:
        return None, None
    try:
        return build(), None
    except Exception as error:  # a broken installation is as good as none
        return None, f"{type(error).__name__}: {error}"


def targets(view: Any) -> np.ndarray:
    """Labels as scikit-activeml has them: NaN where none was bought."""
    return np.where(view.labeled, view.labels, np.nan).astype(float)


def directions(z: np.ndarray) -> np.ndarray:
    """Rows of length 1, as TypiClust and ProbCover want them."""
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def linear(view: Any) -> Any:
    """The pool's linear classifier as one of scikit-activeml's."""
    from skactiveml.base import SkactivemlClassifier

    kernel, bias = view.head

    class Linear(SkactivemlClassifier):
        def fit(self, X: np.ndarray, y: np.ndarray, sample_weight: Any = None) -> Any:
            return self

        def predict_proba(self, X: np.ndarray) -> np.ndarray:
            logits = X @ kernel + bias
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            return odds / odds.sum(axis=1, keepdims=True)

        def predict(self, X: np.ndarray) -> np.ndarray:
            return np.argmax(X @ kernel + bias, axis=1)

    return Linear(classes=np.arange(len(bias)))


def core_set(view: Any, budget: int) -> Callable[[], Any]:
    """scikit-activeml's CoreSet."""
    from skactiveml.pool import CoreSet

    x, y = view.columns["latents"], targets(view)
    return lambda: CoreSet(random_state=0).query(x, y, batch_size=budget)


def badge(view: Any, budget: int) -> Callable[[], Any]:
    """scikit-activeml's Badge, which forms every gradient."""
    from skactiveml.pool import Badge

    x, y, clf = view.columns["latents"], targets(view), linear(view)
    return lambda: Badge(random_state=0).query(
        x, y, clf=clf, fit_clf=False, batch_size=budget
    )


def badge_by_products(view: Any, budget: int) -> Callable[[], Any]:
    """BADGE with factored gradients, one draw after the other, as its authors do."""
    z, logits = view.columns["latents"], view.columns["logits"]
    z, logits = z[view.candidates], logits[view.candidates]

    def draw() -> list[int]:
        rng = np.random.default_rng(0)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        errors = odds / odds.sum(axis=1, keepdims=True)
        errors[np.arange(len(z)), logits.argmax(axis=1)] -= 1
        lengths = (errors**2).sum(axis=1) * (z**2).sum(axis=1)
        chosen = [int(lengths.argmax())]
        nearest = np.full(len(z), np.inf, np.float32)
        while len(chosen) < budget:
            last = chosen[-1]
            both = (errors @ errors[last]) * (z @ z[last])
            gaps = np.maximum(lengths + lengths[last] - 2 * both, 0)
            nearest = np.minimum(nearest, gaps)
            nearest[chosen] = 0
            weights = nearest.astype(float)
            chosen.append(int(rng.choice(len(z), p=weights / weights.sum())))
        return chosen

    return draw


def typi_clust(view: Any, budget: int, steps: int) -> Callable[[], Any]:
    """scikit-activeml's TypiClust, its k-means with as many iterations as ours."""
    from skactiveml.pool import TypiClust

    x, y = directions(view.columns["latents"]), targets(view)
    clusters = {"n_init": 1, "max_iter": steps, "tol": 0.0, "random_state": 0}
    strategy = TypiClust(k=20, cluster_algo_dict=clusters, random_state=0)
    return lambda: quietly(lambda: strategy.query(x, y, batch_size=budget))


def prob_cover(view: Any, budget: int, radius: float) -> Callable[[], Any]:
    """scikit-activeml's ProbCover with a given radius, distances included."""
    from skactiveml.pool import ProbCover

    x, y = directions(view.columns["latents"]), targets(view)
    classes = view.columns["logits"].shape[1]

    def call() -> Any:
        strategy = ProbCover(n_classes=classes, deltas=[radius], random_state=0)
        return quietly(lambda: strategy.query(x, y, batch_size=budget, update=True))

    return call


def four_ds(view: Any, budget: int, mixture: Any) -> Callable[[], Any]:
    """scikit-activeml's FourDs with a mixture that is fitted already."""
    from skactiveml.classifier import MixtureModelClassifier
    from skactiveml.pool import FourDs

    x, y = view.columns["latents"], targets(view)
    classes = np.arange(view.columns["logits"].shape[1])
    clf = MixtureModelClassifier(mixture_model=fitted(mixture), classes=classes)
    strategy = FourDs(random_state=0)
    return lambda: strategy.query(x, y, clf=clf, batch_size=budget)


def fitted(mixture: Any) -> Any:
    """A mixture (weights, means, variances) as a fitted one of scikit-learn."""
    from sklearn.mixture import GaussianMixture

    weights, means, variances = (np.asarray(values, float) for values in mixture)
    model = GaussianMixture(len(weights), covariance_type="diag")
    model.weights_, model.means_, model.covariances_ = weights, means, variances
    model.precisions_cholesky_ = variances**-0.5
    model.n_features_in_, model.converged_ = means.shape[1], True
    return model


def drop_query(view: Any, budget: int, steps: int) -> Callable[[], Any]:
    """scikit-activeml's DropQuery, three masks as ours, its k-means likewise."""
    from skactiveml.pool import DropQuery

    x, y, clf = view.columns["latents"], targets(view), linear(view)
    clusters = {"n_init": 1, "max_iter": steps, "tol": 0.0, "random_state": 0}
    strategy = DropQuery(
        n_dropout_samples=3, cluster_algo_dict=clusters, random_state=0
    )
    return lambda: quietly(
        lambda: strategy.query(x, y, clf=clf, fit_clf=False, batch_size=budget)
    )


def k_means(
    z: np.ndarray, clusters: int, steps: int, begin: np.ndarray | str = "k-means++"
) -> Callable[[], Any]:
    """scikit-learn's Lloyd, from its own start or a given one."""
    from sklearn.cluster import KMeans

    def call() -> Any:
        model = KMeans(
            clusters, init=begin, n_init=1, max_iter=steps, tol=0, algorithm="lloyd",
            random_state=0,
        )  # fmt: skip
        return quietly(lambda: model.fit(z))

    return call


def diversity(z: np.ndarray, budget: int) -> Callable[[], Any]:
    """lightly-mundig's diversifying selection."""
    import lightly_mundig

    def call() -> Any:
        chosen = lightly_mundig.Selection()
        chosen.add_diversifying_strategy(embeddings=z, strength=1.0)
        return chosen.run_selection(
            preselected_indices=[], n_total_samples=len(z), n_samples_to_select=budget
        )

    return call


def typicality(z: np.ndarray, neighbours: int) -> Callable[[], Any]:
    """lightly-mundig's typicality."""
    import lightly_mundig

    return lambda: lightly_mundig.Typicality(embeddings=z).calculate_typicality(
        num_nearest_neighbors=neighbours
    )


def quietly(call: Callable[[], Any]) -> Any:
    """Without warnings that a fit was stopped, which both sides' are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
