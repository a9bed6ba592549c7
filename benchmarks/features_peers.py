"""Queries of `features.py` that see 100,000 rows, beside what others do with so many.

Others avoid reading all rows: scikit-activeml draws 10,000 candidates and looks at
these alone, scikit-learn's MiniBatchKMeans at small batches. Ours reads every row, so
a ratio below 1 is the price of that, no fault.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import selection_peers as peers
import selection_rows as rows
from selection_rows import Case, Contest

SHAPE, LABELED, BUDGET, CANDIDATES = (100_000, 768), 100, 1000, 10_000


def _sampled(view: Any, name: str) -> Callable[[], Any]:
    """scikit-activeml's strategy behind its wrapper, on 10,000 random candidates."""
    from skactiveml import pool

    strategy = getattr(pool, name)(random_state=0)
    wrapped = pool.SubSamplingWrapper(
        strategy, CANDIDATES, exclude_non_subsample=True, random_state=0
    )
    x, y = view.columns["latents"], peers.targets(view)
    return lambda: peers.quietly(lambda: wrapped.query(x, y, batch_size=BUDGET))


def _mini_batches(z: np.ndarray) -> Callable[[], Any]:
    """scikit-learn's clusters, and of each the row nearest to its centre."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import pairwise_distances_argmin

    def call() -> Any:
        fitted = MiniBatchKMeans(BUDGET, n_init=1, random_state=0).fit(z)
        return pairwise_distances_argmin(fitted.cluster_centers_, z)

    return lambda: peers.quietly(call)


def _beside(query: str, name: str) -> Contest:
    view = rows.pool(*SHAPE, labeled=LABELED)
    theirs = functools.partial(_sampled, view, name)
    return Contest(rows.query(query, view, BUDGET), theirs, f"scikit-activeml {name}")


def _diversity() -> Contest:
    view = rows.pool(*SHAPE, labeled=0)
    theirs = functools.partial(peers.diversity, view.columns["latents"], BUDGET)
    flops = rows.products(SHAPE[0], BUDGET, SHAPE[1])
    ours = rows.query("coreset", view, BUDGET)
    return Contest(ours, theirs, "lightly-mundig diversity", flops)


def _clusters() -> Contest:
    view = rows.pool(*SHAPE, labeled=0)
    theirs = functools.partial(_mini_batches, view.columns["latents"])
    flops = rows.products(SHAPE[0], BUDGET * (rows.LLOYD_STEPS + 2), SHAPE[1])
    ours = rows.query("kmeans", view, BUDGET)
    return Contest(ours, theirs, "scikit-learn MiniBatchKMeans", flops)


ROWS = {
    "k_center": Case("no labels, all rows on both sides", _diversity),
    "coreset": Case(
        "100 labels; theirs among 10,000",
        functools.partial(_beside, "coreset", "CoreSet"),
    ),
    "typiclust": Case(
        "100 labels, 500 clusters; theirs among 10,000, 1,100 clusters",
        functools.partial(_beside, "typiclust", "TypiClust"),
    ),
    "kmeans": Case("1,000 clusters; theirs in batches of 1,024", _clusters),
}
