"""What columns and scores cost beside the forward pass alone.

    python benchmarks/scoring.py [--images N] [--json FILE] [--check]

Chunks of the pool go through two programs in turn, in random order: one gives logits
alone, the other everything that the paper's query reads (latents, logits, critic,
both log-likelihoods). The strategy's program over the columns of the whole pool
(three scores, their ranks, the sum) is timed apart, and its time shared out over the
pool's rows. On a CPU all this happens in a child on one core.
"""

import argparse
import json
import math
import sys

import harness
import numpy as np
from harness import Floor, Row, Table

SHARE = Floor("share added", at_most=0.05)
RESNET, DIGITS = "ResNet-18, width 64, 32x32x3", "digits network, width 16, 8x8x1"
# network -> (preset, shape, rows of the pool, chunks measured for one of ResNet-18's)
_CASES = {
    RESNET: ("cifar10", (32, 32, 3), 50_000, 1),
    DIGITS: ("digits", (8, 8, 1), 1_438, 20),
}


def options(parser: argparse.ArgumentParser) -> None:
    """How much is measured."""
    parser.add_argument(
        "--images", type=int, default=2000, help="through each program of ResNet-18"
    )
    parser.add_argument("--child", choices=tuple(_CASES), help=argparse.SUPPRESS)


def measure(arguments: argparse.Namespace) -> list[Table]:
    """One row a network."""
    import jax

    on_cpu = jax.default_backend() == "cpu"
    rows = []
    for name in _CASES:
        if on_cpu:
            rows.append(
                harness.on_one_core(
                    __file__, "--child", name, "--images", str(arguments.images)
                )
            )
        else:
            rows.append(_case(name, arguments.images))
    return [
        Table(
            "Scoring pass" + (" (one core)" if on_cpu else ""),
            rows,
            {RESNET: [SHARE]},
            "Columns added: critic and log-likelihoods beside the forward pass, medians"
            " over chunks of images. Scores added: the strategy's program, an "
            "image. compiles again: whether other weights, mixtures and masks, as the "
            "next cycle has them, make anything compile.",
        )
    ]


def _case(name: str, num_images: int) -> Row:
    import jax
    import worlds

    from gmmal_jax import embed, parallel
    from gmmal_jax.strategies import base
    from gmmal_jax.types import PoolView

    dataset, shape, pool_rows, factor = _CASES[name]
    chunk = embed.chunk_rows(1, math.prod(shape))
    world = worlds.make(dataset, shape, chunk)
    readout, strategy = world.method.learner.readout, world.method.strategy
    run, images = world.trainer.embed, world.images
    state = world.trainer.init(jax.random.key(0), None)
    logits = frozenset({"logits"})
    columns: dict[str, np.ndarray] = {}
    found = harness.interleaved(
        {
            "forward": lambda: run(readout, state, images, columns=logits),
            "everything": lambda: columns.update(run(readout, state, images)),
        },
        rounds=max(3, factor * num_images // chunk),
    )
    again = np.resize(np.arange(chunk), pool_rows)
    pool = {name: columns[name][again] for name in strategy.needs}

    def score(num_labeled: int, seed: int) -> None:
        labeled = np.arange(pool_rows) < num_labeled
        labels = np.where(labeled, 0, -1).astype(np.int32)
        ids = np.arange(pool_rows, dtype=np.uint32)
        view = PoolView(ids, labeled, ~labeled, labels, pool)
        key = jax.random.key(seed)
        base.score_pool(key, strategy, view)

    scored = harness.interleaved({"scores": lambda: score(100, 0)}, rounds=7)["scores"]

    def next_cycle() -> None:
        other = jax.tree.map(
            lambda leaf: 1.01 * leaf if leaf.dtype == np.float32 else leaf,
            jax.device_get(state),
        )
        run(readout, parallel.place_state(run.mesh, other), images)
        score(200, 1)

    clock = "cpu" if jax.default_backend() == "cpu" else "wall"
    forward, everything = (getattr(sample, clock) / chunk for sample in found.values())
    each = getattr(scored, clock) / pool_rows
    return {
        "network": name,
        "forward images/s": 1 / forward,
        "everything images/s": 1 / (everything + each),
        "columns added": everything / forward - 1,
        "scores added": each / forward,
        "share added": (everything + each) / forward - 1,
        "compiles again": worlds.traces(next_cycle),
    }


if __name__ == "__main__":
    if "--child" in sys.argv:
        parser = argparse.ArgumentParser()
        options(parser)
        child = parser.parse_args()
        print(json.dumps(_case(child.child, child.images)))
        sys.exit()
    sys.exit(harness.main(__doc__, measure, options))
