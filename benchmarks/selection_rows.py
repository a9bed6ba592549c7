"""The rows of `selection.py`: what each computes, on which pool, beside whom."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import selection_official as official
import selection_peers as peers

LABELED, BUDGET, LLOYD_STEPS = 1000, 1000, 20
SMALL, LARGE, WIDE = (50_000, 512), (500_000, 128), (10_000, 512)
GROUPS, FACTORS = 200, 16
"""Bundles that latents come in, more than classes and fewer than picks, and what tells
them apart."""


class Contest(NamedTuple):
    """Two calls that do equal work, and what it cannot do without.

    Attributes:
      ours: blocks until done.
      theirs: None: there is no peer.
      peer: its name.
      flops: operations of matrix products.
      read_bytes: bytes that are read.
    """

    ours: Callable[[], Any]
    theirs: Callable[[], Callable[[], Any]] | None = None
    peer: str = ""
    flops: float = 0.0
    read_bytes: float = 0.0


class Case(NamedTuple):
    """A row: what it says it does, what it is built by, and the strategy it needs."""

    what: str
    build: Callable[[], Contest]
    strategy: str | None = None


def missing(row: Case) -> str | None:
    """Why a row cannot run: its strategy stands not in the table of methods."""
    from gmmal_jax import methods

    if row.strategy is None or row.strategy in methods.STRATEGIES:
        return None
    return f"no strategy {row.strategy} in the table of methods"


def latents(rows: int, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Latents like a network's: float32 [n, d], and their bundles [n].

    They lie in memory as a readout's columns do.

    A few factors, in bundles, behind a ReLU: distances that differ, and k-means that
    does not end after some steps.
    """
    from gmmal_jax import embed

    rng = np.random.default_rng(0)
    centers = 2 * rng.standard_normal((GROUPS, FACTORS), np.float32)
    spread = rng.standard_normal((FACTORS, dims), np.float32) / np.sqrt(FACTORS)
    own = rng.integers(GROUPS, size=rows)
    z = embed.aligned((rows, dims), np.float32)
    for first in range(0, rows, 10_000):
        part = slice(first, first + 10_000)
        factors = rng.standard_normal((len(own[part]), FACTORS), np.float32)
        z[part] = (factors + centers[own[part]]) @ spread.astype(np.float32)
        z[part] += 0.2 * rng.standard_normal(z[part].shape, np.float32)
    np.maximum(z, 0, out=z)
    return z, own


def pool(rows: int, dims: int, classes: int = 10, labeled: int = LABELED) -> Any:
    """A pool with labels and a linear classifier that is right about most bundles."""
    from gmmal_jax.types import PoolView

    z, own = latents(rows, dims)
    rng = np.random.default_rng(1)
    truth = own % classes
    sample = slice(0, 5000)
    means = np.stack([z[sample][truth[sample] == k].mean(0) for k in range(classes)])
    kernel = np.ascontiguousarray((means - means.mean(0)).T) / 2
    bias = -0.5 * (means + means.mean(0)) @ kernel
    bias = np.diagonal(bias).astype(np.float32)
    known = np.zeros(rows, bool)
    known[rng.permutation(rows)[:labeled]] = True
    return PoolView(
        ids=np.arange(rows, dtype=np.uint32),
        labeled=known,
        candidates=~known,
        labels=np.where(known, truth, -1).astype(np.int32),
        columns={"logits": z @ kernel + bias, "latents": z},
        head=(kernel, bias),
    )


def query(name: str, view: Any, budget: int = BUDGET, **options: Any) -> Callable:
    """Our whole query, from columns on the host to rows: a call."""
    import jax

    from gmmal_jax import assembly, config, methods, plugins
    from gmmal_jax.selection import Ask
    from gmmal_jax.strategies import base

    settings = config.replace(config.Config(), **options)
    create = plugins.resolve(methods.STRATEGIES[name].make, name)
    strategy = create(**assembly.groups(create, settings, name))
    columns = {
        n: view.columns[n] for n in base.columns_needed(strategy, settings.select)
    }
    seen = view._replace(columns=columns)
    ask = Ask(budget, view.columns["logits"].shape[1], settings.select)
    return lambda: base.query(jax.random.key(0), strategy, seen, ask)


def products(rows: int, others: int, dims: int) -> float:
    """Operations of all products of rows with others."""
    return 2.0 * rows * others * dims


def _coreset(shape: tuple[int, int] = SMALL, beside: bool = True) -> Contest:
    view = pool(*shape)
    theirs = functools.partial(peers.core_set, view, BUDGET) if beside else None
    # Distances to labeled rows and to picks.
    flops = products(shape[0], LABELED + BUDGET, shape[1])
    return Contest(query("coreset", view), theirs, "scikit-activeml CoreSet", flops)


def _badge(
    budget: int,
    classes: int = 10,
    shape: tuple[int, int] = SMALL,
    beside: Callable | None = None,
    peer: str = "",
) -> Contest:
    view = pool(*shape, classes)
    theirs = functools.partial(beside, view, budget) if beside else None
    flops = products(shape[0], budget, shape[1] + classes)
    return Contest(query("badge", view, budget), theirs, peer, flops)


def _typiclust(
    shape: tuple[int, int], labeled: int, budget: int, beside: bool = True
) -> Contest:
    view = pool(*shape, labeled=labeled)
    clusters = min(labeled + budget, 500)
    theirs = functools.partial(peers.typi_clust, view, budget, LLOYD_STEPS)
    flops = products(shape[0], clusters * (LLOYD_STEPS + 2), shape[1])
    flops += products(shape[0], shape[0] // clusters, shape[1])
    ours = query("typiclust", view, budget)
    return Contest(ours, theirs if beside else None, "scikit-activeml TypiClust", flops)


def _probcover() -> Contest:
    view = pool(*WIDE)
    radius = 0.6
    flops = products(WIDE[0], WIDE[0], WIDE[1])
    theirs = functools.partial(peers.prob_cover, view, BUDGET, radius)
    ours = query("probcover", view, **{"probcover.radius": radius})
    return Contest(ours, theirs, "scikit-activeml ProbCover", flops)


def _four_ds() -> Contest:
    import jax
    import jax.numpy as jnp

    from gmmal_jax.strategies import four_ds, judged as terms
    from gmmal_jax.types import Mixture

    view = pool(*SMALL)
    rows, dims = SMALL
    z, truth = view.columns["latents"], np.argmax(view.columns["logits"], axis=1)
    parts = [z[truth == k] for k in range(10)]
    mixture = Mixture(
        np.array([len(part) / rows for part in parts], np.float32),
        np.stack([part.mean(0) for part in parts]),
        np.stack([part.var(0) + 1e-3 for part in parts]),
    )
    placed, fitted = jnp.asarray(z), jax.tree.map(jnp.asarray, mixture)
    labels, free = jnp.asarray(view.labels), jnp.asarray(view.candidates)

    @jax.jit
    def choose(z: jax.Array, mixture: Mixture) -> jax.Array:
        judged = terms.judge(z, labels, free, mixture, 10)
        return four_ds.greedy(judged, free, free, 0.5, BUDGET)

    theirs = functools.partial(peers.four_ds, view, BUDGET, mixture)
    # What is read of each row for each pick: four numbers.
    return Contest(
        lambda: choose(placed, fitted).block_until_ready(),
        theirs,
        "scikit-activeml FourDs",
        2 * products(rows, 10, dims),
        16.0 * rows * BUDGET,
    )


def _dropquery() -> Contest:
    view = pool(*SMALL)
    theirs = functools.partial(peers.drop_query, view, BUDGET, LLOYD_STEPS)
    return Contest(query("dropquery", view), theirs, "scikit-activeml DropQuery")


def _kmeans(shape: tuple[int, int] = SMALL, beside: bool = True) -> Contest:
    view = pool(*shape, labeled=0)
    theirs = functools.partial(
        peers.k_means, view.columns["latents"], BUDGET, LLOYD_STEPS
    )
    flops = products(shape[0], BUDGET * (LLOYD_STEPS + 2), shape[1])
    ours = query("kmeans", view)
    return Contest(ours, theirs if beside else None, "scikit-learn KMeans", flops)


def _lloyd() -> Contest:
    import jax
    import jax.numpy as jnp

    from gmmal_jax import selection

    z, _ = latents(*SMALL)
    z -= z.mean(axis=0)
    begin = z[:BUDGET]
    placed, mask, start = jnp.asarray(z), jnp.ones(len(z), bool), jnp.asarray(begin)
    run = jax.jit(
        lambda z, start: selection.lloyd(z, mask, start, BUDGET, num_iters=LLOYD_STEPS)
    )
    return Contest(
        lambda: jax.block_until_ready(run(placed, start)),
        functools.partial(peers.k_means, z, BUDGET, LLOYD_STEPS, begin),
        "scikit-learn KMeans",
        products(SMALL[0], BUDGET * (LLOYD_STEPS + 1), SMALL[1]),
    )


def _k_center() -> Contest:
    import jax
    import jax.numpy as jnp

    from gmmal_jax import selection

    z, _ = latents(*SMALL)
    placed, everything = jnp.asarray(z), jnp.ones(len(z), bool)
    ids = jnp.arange(len(z), dtype=jnp.uint32)

    def ours() -> Any:
        picks = selection.k_center_greedy(
            jax.random.key(0), placed, ~everything, everything, BUDGET, ids=ids
        )
        return picks.block_until_ready()

    flops = products(SMALL[0], BUDGET, SMALL[1])
    theirs = functools.partial(peers.diversity, z, BUDGET)
    return Contest(ours, theirs, "lightly-mundig diversity", flops)


def _typicality() -> Contest:
    import jax.numpy as jnp

    from gmmal_jax import selection

    z, _ = latents(*WIDE)
    placed, one = jnp.asarray(z), jnp.zeros(len(z), jnp.int32)
    return Contest(
        lambda: selection.typicality(placed, one, num_clusters=1).block_until_ready(),
        functools.partial(peers.typicality, z, 20),
        "lightly-mundig typicality",
        products(WIDE[0], WIDE[0], WIDE[1]),
    )


def _core_gcn(
    shape: tuple[int, int] = SMALL, steps: int = 200, beside: bool = False
) -> Contest:
    view, hidden = pool(*shape), 128
    theirs = functools.partial(official.core_gcn, view, BUDGET, steps)
    # A step: the first layer and its kernel's gradient. Then distances.
    flops = 2 * steps * products(shape[0], hidden, shape[1])
    flops += products(shape[0], LABELED + BUDGET, hidden)
    ours = query("core_gcn", view, **{"core_gcn.steps": steps})
    return Contest(ours, theirs if beside else None, "its authors' way in NumPy", flops)


def _alfa_mix() -> Contest:
    view = pool(*SMALL)
    theirs = functools.partial(official.alfa_mix, view, BUDGET, LLOYD_STEPS)
    return Contest(query("alfa_mix", view), theirs, "its authors' way in NumPy")


def _alone(name: str, classes: int = 10, **options: Any) -> Callable[[], Contest]:
    return lambda: Contest(query(name, pool(*SMALL, classes), **options))


_AT = "50,000 x 512, 1,000 labels"
_PICKS = f"{_AT}, 1,000 picks"
_LARGE = "500,000 x 128, 1,000 labels, 1,000 picks"
ROWS: dict[str, Case] = {
    "coreset": Case(_PICKS, _coreset),
    "badge": Case(
        f"{_AT}, 10 classes, 20 picks (1,000 take the peer over 80 s)",
        lambda: _badge(20, beside=peers.badge, peer="scikit-activeml Badge"),
    ),
    "badge_numpy": Case(
        f"{_PICKS}, 10 classes",
        lambda: _badge(
            BUDGET, beside=peers.badge_by_products, peer="its authors' way in NumPy"
        ),
    ),
    "typiclust": Case(
        "10,000 x 512, 100 labels, 400 picks, 500 clusters (all 50,000: over 90 s)",
        lambda: _typiclust(WIDE, 100, 400),
    ),
    "probcover": Case(
        "10,000 x 512, 1,000 labels, 1,000 picks (the peer holds n x n distances)",
        _probcover,
        "probcover",
    ),
    "four_ds": Case(f"{_PICKS}, 10 classes; a given mixture", _four_ds, "four_ds"),
    "dropquery": Case(f"{_PICKS}, 10 classes", _dropquery, "dropquery"),
    "kmeans": Case("50,000 x 512, 1,000 clusters, with start", _kmeans),
    "lloyd": Case("50,000 x 512, 1,000 clusters, a given start", _lloyd),
    "k_center": Case("50,000 x 512, no labels, 1,000 picks", _k_center),
    "typicality": Case("10,000 x 512, one cluster, 20 neighbours", _typicality),
    "alfa_mix": Case(f"{_PICKS}, 10 classes; closed form", _alfa_mix, "alfa_mix"),
    "core_gcn_dense": Case(
        "10,000 x 512, 1,000 labels, 1,000 picks, 20 steps (the peer: n x n numbers)",
        lambda: _core_gcn(WIDE, 20, beside=True),
        "core_gcn",
    ),
    "badge_100": Case(f"{_PICKS}, 100 classes", lambda: _badge(BUDGET, 100)),
    "four_ds_fit": Case(
        f"{_PICKS}, 10 classes; with the fit", _alone("four_ds"), "four_ds"
    ),
    "alfa_mix_learned": Case(
        f"{_PICKS}, 10 classes; learned shares",
        _alone("alfa_mix", **{"alfa_mix.mode": "learned"}),
        "alfa_mix",
    ),
    "cbal_100": Case(f"{_PICKS}, 100 classes; by entropy", _alone("cbal", 100), "cbal"),
    "core_gcn": Case(f"{_PICKS}, 200 steps", _core_gcn, "core_gcn"),
    "coreset_large": Case(_LARGE, lambda: _coreset(LARGE, beside=False)),
    "badge_large": Case(f"{_LARGE}, 10 classes", lambda: _badge(BUDGET, 10, LARGE)),
    "typiclust_large": Case(
        f"{_LARGE}, 500 clusters", lambda: _typiclust(LARGE, LABELED, BUDGET, False)
    ),
    "kmeans_large": Case(
        "500,000 x 128, 1,000 clusters, with start", lambda: _kmeans(LARGE, False)
    ),
}
"""Name -> row, those with a peer first."""
