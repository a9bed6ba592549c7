"""k-means of a query against scikit-learn's, and what unequal quotas cost.

    python benchmarks/selection_kmeans.py [--json FILE] [--check]

Both sides get the same candidates and start centres, in float32, and run Lloyd's
algorithm until no row changes its cluster, at most 20 steps. On a CPU both run in a
child on one core, in CPU seconds; on a GPU scikit-learn has the host's cores, in wall
seconds.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import harness
import numpy as np
from harness import Floor, Row, Table

DIMS, STEPS = 512, 20
# case -> groups, candidates and clusters of a group
CASES = {
    "1 x 3,000, k = 1,000": (1, 3000, 1000),
    "10 x 300, k = 100": (10, 300, 100),
    "100 x 30, k = 10": (100, 30, 10),
}
SAME = Floor("inertia, apart", at_most=1e-3)
FLOORS = {
    "1 x 3,000, k = 1,000": [Floor("both", at_least=1.0), SAME],
    "10 x 300, k = 100": [Floor("both", at_least=1.0), Floor("Lloyd", 1.0), SAME],
    "100 x 30, k = 10": [Floor("both", at_least=1.0), Floor("Lloyd", 1.0), SAME],
}
POOL, CLASSES, BUDGET = 50_000, 100, 1000
_CHILD = "--child"


def options(parser: argparse.ArgumentParser) -> None:
    """How the script runs itself."""
    parser.add_argument(_CHILD, action="store_true", help=argparse.SUPPRESS)


def measure(arguments: argparse.Namespace) -> list[Table]:
    """Lloyd, start, and the quotas."""
    child = _on_cpu()
    found = harness.on_one_core(__file__, _CHILD) if child else _measured()
    note = (
        "Ratios: scikit-learn's seconds over ours. Start: k-means++ with one trial a "
        "centre on both sides. Lloyd: both stop where nothing moves. Inertia, apart: "
        "relative difference of the final sums of squared distances. The one large "
        "fit is a matrix product an iteration and little else: there Lloyd compares "
        "XLA's products with OpenBLAS's and has no floor."
    )
    quota = (
        f"Choice of {BUDGET:,} of {POOL:,} rows with {CLASSES} pseudo-classes "
        "(candidates, clusters, picks), labels bought unevenly. Beside uniform: cost "
        "over that of equal seats."
    )
    cheap = {"complement": [Floor("beside uniform", at_most=10.0)]}
    return [
        Table("k-means of a query", found["kmeans"], FLOORS, note),
        Table("Choice of a batch by quota", found["quota"], cheap, quota),
    ]


def _on_cpu() -> bool:
    import jax

    return jax.default_backend() == "cpu"


def _measured() -> dict[str, list[Row]]:
    rows = [{"case": name} | _case(*sizes) for name, sizes in CASES.items()]
    return {"kmeans": rows, "quota": _quotas()}


def _directions(rows: int) -> np.ndarray:
    """Unit latents like a network's: bundles, noise, ReLU; float32 [rows, DIMS]."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(40, DIMS))
    z = centres[generator.integers(40, size=rows)] + generator.normal(size=(rows, DIMS))
    z = np.maximum(z, 0)
    return (z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)


def problem(
    groups: int, candidates: int, clusters: int
) -> tuple[np.ndarray, np.ndarray]:
    """Points [groups, candidates, DIMS] and start centres [groups, clusters, DIMS]."""
    points = _directions(groups * candidates).reshape(groups, candidates, DIMS)
    return points, np.stack([group[:clusters] for group in points])


def ours(
    points: np.ndarray, starts: np.ndarray
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Our start and our Lloyd iterations, as calls on rows that lie on the device."""
    import jax
    import jax.numpy as jnp

    from gmmal_jax import selection

    groups, candidates, clusters = *points.shape[:2], starts.shape[1]
    mask = jnp.ones(candidates, bool)
    placed = (jnp.asarray(points), jnp.asarray(starts))

    @jax.jit
    def lloyd(points: jax.Array, starts: jax.Array) -> Any:
        def one(args: tuple) -> Any:
            return selection.lloyd(args[0], mask, args[1], clusters, num_iters=STEPS)

        return jax.lax.map(one, (points, starts))

    @jax.jit
    def begin(points: jax.Array) -> jax.Array:
        keys = jax.random.split(jax.random.key(0), groups)

        def one(args: tuple) -> jax.Array:
            return selection.kmeans_start(
                args[0], args[1], mask, clusters, max_clusters=clusters
            )

        return jax.lax.map(one, (keys, points))

    return lambda: begin(placed[0]), lambda: lloyd(*placed)


def _case(groups: int, candidates: int, clusters: int) -> Row:
    import jax
    from sklearn.cluster import KMeans, kmeans_plusplus

    warnings.filterwarnings("ignore")
    points, starts = problem(groups, candidates, clusters)
    begin, lloyd = ours(points, starts)

    def theirs() -> list[Any]:
        return [
            KMeans(
                clusters, init=centres, n_init=1, max_iter=STEPS, tol=0,
                algorithm="lloyd",
            ).fit(group)
            for group, centres in zip(points, starts, strict=True)
        ]  # fmt: skip

    contenders = {
        "our start": lambda: jax.block_until_ready(begin()),
        "their start": lambda: [
            kmeans_plusplus(group, clusters, n_local_trials=1) for group in points
        ],
        "our Lloyd": lambda: jax.block_until_ready(lloyd()),
        "their Lloyd": theirs,
    }
    seconds = _seconds(contenders)
    fits, own = theirs(), float(lloyd().distances.sum())
    inertia = sum(fit.inertia_ for fit in fits)
    whole = [
        seconds[f"{whose} start"] + seconds[f"{whose} Lloyd"]
        for whose in ("their", "our")
    ]
    return {
        "start": seconds["their start"] / seconds["our start"],
        "Lloyd": seconds["their Lloyd"] / seconds["our Lloyd"],
        "both": whole[0] / whole[1],
        "steps": max(fit.n_iter_ for fit in fits),
        "inertia, apart": abs(own - inertia) / inertia,
    }


def _seconds(contenders: dict[str, Callable]) -> dict[str, float]:
    clock = "cpu" if _on_cpu() else "wall"
    found = harness.interleaved(contenders, rounds=3)
    return {name: getattr(sample, clock) for name, sample in found.items()}


def _pool(generator: np.random.Generator) -> tuple[Any, np.ndarray]:
    """POOL candidates and 2,000 labeled rows of uneven classes; totals of all."""
    from gmmal_jax.types import PoolView

    bought = generator.choice(CLASSES, 2000, p=generator.dirichlet(np.full(CLASSES, 2)))
    labels = np.concatenate([np.full(POOL, -1), bought]).astype(np.int32)
    num_rows, labeled = len(labels), labels >= 0
    classes = generator.integers(CLASSES, size=num_rows)
    logits = np.eye(CLASSES, dtype=np.float32)[classes]
    columns = {"logits": logits, "latents": _directions(num_rows)}
    ids = np.arange(num_rows, dtype=np.uint32)
    view = PoolView(ids, labeled, ~labeled, labels, columns)
    return view, generator.standard_normal(num_rows, np.float32)


def _quotas() -> list[Row]:
    import jax

    from gmmal_jax.config import SelectConfig
    from gmmal_jax.selection import CONSTRUCTIONS, Ask

    view, total = _pool(np.random.default_rng(0))
    select, key = CONSTRUCTIONS["balance_kmeans"].select, jax.random.key(0)
    asks = {
        quota: Ask(BUDGET, CLASSES, SelectConfig(quota=quota))
        for quota in ("uniform", "complement")
    }
    calls = {
        quota: lambda ask=ask: select(key, view, total, ask)
        for quota, ask in asks.items()
    }
    seconds = _seconds(calls)
    return [
        {"quota": name, "beside uniform": s / seconds["uniform"]}
        for name, s in seconds.items()
    ]


if __name__ == "__main__":
    if _CHILD in sys.argv:
        print(json.dumps(_measured()))
        sys.exit()
    sys.exit(harness.main(__doc__, measure, options))
