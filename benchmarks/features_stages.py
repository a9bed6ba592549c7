"""Stages of a choice over a file of features: rows a second, and their limits."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import em
import harness
import numpy as np

ROWS, _ROUNDS = 200_000, 3


class Stage(NamedTuple):
    """A pass over rows.

    Attributes:
      call: blocks until done.
      passes: over the rows.
      flops: of products, a row and pass.
      read: bytes, a row and pass.
    """

    call: Callable[[], Any]
    passes: int
    flops: float
    read: float


def measured(file: Path) -> list[dict[str, Any]]:
    """A row for each stage."""
    stages, machine = _stages(file), em.limits()
    calls = {name: call for name, (call, _) in machine.items()}
    samples = harness.interleaved(calls, rounds=_ROUNDS)
    rate = {name: machine[name][1] / samples[name].cpu for name in machine}
    found = []
    for name, stage in stages.items():
        seconds = harness.interleaved({name: stage.call}, rounds=_ROUNDS)[name].cpu
        products = stage.flops / max(rate["XLA"], rate["NumPy"])
        least = max(products, stage.read / rate["read"])
        each = seconds / stage.passes / ROWS
        found.append(
            {
                "stage": name,
                "rows/s": 1 / each,
                "limit": "products" if products == least else "reads",
                "% of limit": 100 * least / each,
            }
        )
    return found


def _stages(file: Path) -> dict[str, Stage]:
    import jax

    from gmmal_jax import bind, cycle, memory, parallel, pool as pools
    from gmmal_jax.cli import select
    from gmmal_jax.data.sources.scan import scan
    from gmmal_jax.mixtures import refit
    from gmmal_jax.phases import adversary
    from gmmal_jax.selection import Ask
    from gmmal_jax.storage import layout
    from gmmal_jax.strategies import base

    config = select.configuration({"features": [str(file)], "budget": ["1000"]})
    dataset = bind.loaded(config)
    mesh = parallel.make_mesh(None)
    classes = len(dataset.class_names)
    room = memory.Room(10**8, 1, together=0, bytes=0, narrow=classes)
    arm = bind.arm_of(config, layout.of(file.parent), dataset, mesh, room)
    rows = np.arange(ROWS)
    images = bind.placed(mesh, dataset.train_images, config, room).take(rows)
    labels = dataset.train_labels[:ROWS]
    known = np.flatnonzero(labels >= 0)
    pool = pools.label(pools.make(rows), known, labels[known], 0)
    task = cycle.Task(
        0, arm.method, arm.trainer, images, images.take(rows[:0]), rows[:0],
        config.select,
    )  # fmt: skip
    state, candidates = cycle.begin(task, 0).state, ~pool.labeled

    def look() -> Any:
        return cycle.look(task, pool, candidates, state)

    view = look()
    latents, key = view.columns["latents"], jax.random.key(0)
    k, (_, d) = arm.trainer.num_classes, latents.shape
    first = refit.fit_labeled(latents, view.labels, view.labeled, k, config.gmm)

    def fit() -> None:
        refit.fit_pool(key, latents, candidates, first, config.gmm)[0].weights[0].item()

    def scale() -> None:
        adversary.column_scale(latents, first, first, "standardize")[0][0].item()

    ask = Ask(config.budget, k, config.select)
    width = state.model.params["hidden"]["kernel"].shape[1]
    network = 2.0 * (2 * d * width + d * k)
    hidden = [d + 2 * k + 2, *config.da.hidden, 1]
    critic = 2.0 * sum(a * b for a, b in zip(hidden[:-1], hidden[1:], strict=True))
    mixtures = 2 * 2 * 2.0 * d * k
    whole = network + critic + mixtures
    iteration = network - 2 * d * k + 2 * 2 * 2.0 * d * k
    strategy, stored = arm.method.strategy, 2.0 * d
    scalars = 4.0 * (len(strategy.needs) - 1 + k)
    return {
        "checksum, moments": Stage(
            lambda: scan(dataset.train_images[:ROWS]), 1, 0.0, stored
        ),
        "readout, all columns": Stage(look, 1, whole, stored),
        "readout, latents": Stage(
            lambda: [latents[i : i + 20_000] for i in range(0, ROWS, 20_000)],
            1, network - 2 * d * k, stored,
        ),
        "exact refit, an iteration": Stage(
            fit, config.gmm.em_iters + 1, iteration, stored
        ),
        "scale of the critic's columns": Stage(scale, 1, network + mixtures, stored),
        "scores, ranks, batch": Stage(
            lambda: base.query(key, strategy, view, ask), 1, 0.0, scalars
        ),
    }  # fmt: skip
