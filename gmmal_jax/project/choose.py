"""One choice from a pool of features: with some labels, or with none at all."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax import (
    assembly,
    bind,
    cycle as cycles,
    memory,
    methods,
    parallel,
    pool as pools,
    train,
)
from gmmal_jax.config import Config
from gmmal_jax.data import perturb, sources, store
from gmmal_jax.data.sources.arrays import UNUSABLE
from gmmal_jax.embed import Embedder
from gmmal_jax.errors import UserError
from gmmal_jax.loop import Reporter, Stop, Watch, never
from gmmal_jax.pool import Pool
from gmmal_jax.project import forecast, places as own
from gmmal_jax.selection import Ask
from gmmal_jax.storage import checkpoint, layout, run_folder
from gmmal_jax.storage.saver import Saver
from gmmal_jax.strategies import base
from gmmal_jax.types import PoolView, PyTree, Query

COLD = "typiclust"
"""What asks where there is no label: typical rows of as many clusters as are wanted."""
COLD_ONES = (COLD, "kmeans", "coreset", "random")
"""Strategies of ours that need neither labels nor a number of classes."""


Training = Callable[[], AbstractContextManager[Stop]]
"""Entered for as long as there is something to save at the end of a chunk."""


def unstopped() -> AbstractContextManager[Stop]:
    """The `Training` of a choice that goes on to its end."""
    return nullcontext(never)


class Chosen(NamedTuple):
    """What to label, and what was known when it was chosen.

    Attributes:
      dataset: the features.
      pool: of their usable rows, with the labels that there are.
      view: the pool as the query saw it.
      query: positions in the pool, most wanted first, with their scores.
      among: see `cycle.Asked`.
      label: what the method is called.
      cold: there was no label to learn from.
      groups: of settings that were read.
      seconds: stage -> how long it took; empty without training.
    """

    dataset: sources.Dataset
    pool: Pool
    view: PoolView
    query: Query
    among: int | None
    label: str
    cold: bool
    groups: frozenset[str]
    seconds: dict[str, float]


def choose(
    config: Config, work: Path, report: Reporter, training: Training = unstopped
) -> Chosen:
    """Train on the labels that there are, and choose the rows to label next.

    Without any label a strategy chooses that reads features alone: the configuration's
    where it names one, else `COLD`.

    Args:
      config: its data set is `features:`, with or without labels.
      work: folder of checkpoints; a choice that was killed goes on from there, to the
        same bits.
      report: told of every chunk and stage, and of what could not be used.
      training: entered while the method trains; what it gives is asked after every
        chunk, and a signal's number ends the choice, saved.

    Raises:
      UserError: unusable features, labels or options.
      Interrupted: `training` asked for it.
    """
    remembered = _remembered(work)
    dataset = bind.loaded(config, remembered)
    rows = np.flatnonzero(dataset.train_labels != UNUSABLE)
    labels = dataset.train_labels[rows]
    known = np.flatnonzero(labels >= 0)
    if config.budget > len(rows) - len(known):
        remedy = f"only {len(rows) - len(known)} rows have no label; ask for no more"
        raise UserError("--budget", config.budget, remedy)
    pool = pools.make(rows)
    room = bind.room_of(config, dataset, dataset.train_images.shape[1])
    if room is not None:
        report.note(f"memory: at most {room.bytes / memory.GB:.1f} GB")
    if not len(known):
        return _cold(config, dataset, pool, room, report)
    if len(dataset.class_names) < 2:
        remedy = "label rows of a second class, or name no labels for a first choice"
        raise UserError("labels name one class only", dataset.class_names[0], remedy)
    pool = pools.label(pool, known, labels[known], 0)
    return _warm(config, dataset, pool, work, room, report, training)


def _remembered(work: Path) -> dict[str, Any] | None:
    """What an earlier start wrote down of the features' file."""
    if not run_folder.holds_run(work):
        return None
    found: dict[str, Any] | None
    found = run_folder.read_config(work)["data"].get("remember")
    return found


def _warm(
    config: Config,
    dataset: sources.Dataset,
    pool: Pool,
    work: Path,
    room: memory.Room | None,
    report: Reporter,
    training: Training,
) -> Chosen:
    checkpoint.require_path(work)
    mesh, places, seed = parallel.make_mesh(None), layout.of(work), config.seeds[0]
    arm = bind.arm_of(config, places, dataset, mesh, room)
    _begin(work, arm, dataset, pool, report)
    images = bind.placed(mesh, dataset.train_images, config, room).take(pool.ids)
    none = np.zeros(0, np.int64)  # nothing is set aside: every label is learned from
    task = cycles.Task(
        seed, arm.method, arm.trainer, images, images.take(none), none, config.select,
        refit_rows=config.gmm.refit_rows, room=room,
    )  # fmt: skip
    saver = Saver(places, seed, 0, config.checkpoint, arm.trainer, pool)
    standing, warnings = saver.resume(None)
    for line in warnings:
        report.note(line)
    candidates = cycles.candidates_of(task, pool, 0)
    begun = standing or cycles.begin(task, 0)
    told = forecast.Forecast(task, pool, config.gmm, report)
    told.look(begun.state)

    with training() as stop:
        watch = Watch((arm.label, seed, 0), saver, report, stop)

        def on_chunk(standing: train.Standing) -> None:
            watch.on_chunk(standing)
            told.on_chunk(standing)

        def on_last() -> None:
            report.stage(*watch.where, "fitting all rows")

        trained = cycles.learn(task, pool, 0, candidates, begun, on_chunk, on_last)
    watch.on_scoring()
    view = cycles.look(task, pool, candidates, trained.state)
    asked = cycles.ask(task, view, 0, config.budget)
    for line in cycles.fewer(arm.method.strategy, asked.among):
        report.note(line)
    seconds, groups = saver.timings(), arm.method.groups
    return Chosen(dataset, pool, view, *asked, arm.label, False, groups, seconds)


def _begin(
    work: Path, arm: bind.Arm, dataset: sources.Dataset, pool: Pool, report: Reporter
) -> None:
    """Keep checkpoints of this very choice, and none of another."""
    known = np.flatnonzero(pool.labeled)
    labels = [[int(row), int(pool.labels[row])] for row in known]
    body = bind.described(arm, dataset) | {"labels": labels}
    body = json.loads(json.dumps(body))  # as it would be read: tuples are lists
    del body["config"]["memory_gb"]  # who has run out of memory goes on with less
    if run_folder.holds_run(work):
        saved = run_folder.read_config(work)
        same = ("config", "data", "labels")
        if all(saved.get(name) == body[name] for name in same):
            return
        report.note(f"{work} is of another choice: begun anew")
        own.forget(work)
    run_folder.write_config(work, body)


def _cold(
    config: Config,
    dataset: sources.Dataset,
    pool: Pool,
    room: memory.Room | None,
    report: Reporter,
) -> Chosen:
    strategy = _cold_strategy(config)
    where = strategy.name, config.seeds[0], 0
    report.stage(*where, "reading the features")
    mesh = parallel.make_mesh(None)
    images = bind.placed(mesh, dataset.train_images, config, room).take(pool.ids)
    columns = _standardized(Embedder(mesh, room), images, dataset)
    view = PoolView(pool.ids, pool.labeled, ~pool.labeled, pool.labels, columns)
    report.stage(*where, "choosing")
    address, wanted = (where[1], "query", 0), Ask(config.budget, 1, config.select)
    asked = cycles.ask_within(room, address, strategy, view, wanted)
    for line in cycles.fewer(strategy, asked.among):
        report.note(line)
    groups = frozenset({"select"})
    return Chosen(dataset, pool, view, *asked, strategy.name, True, groups, {})


def _cold_strategy(config: Config) -> base.Strategy:
    """The strategy that is asked for, if it can do without labels; else `COLD`.

    Raises:
      UserError: one is named that cannot.
    """
    name = config.query
    if name is None:
        own = config.method != Config().method
        name = methods.resolve(config)[1] if own else COLD
    name, _ = methods.factory("query", name)
    ours = name in methods.STRATEGIES and name not in COLD_ONES
    strategy = assembly.strategy_of(name, config)
    needs = base.columns_needed(strategy, config.select)
    if ours or strategy.needs_head or not needs <= {"latents"}:
        remedy = f"it needs labels, and there are none yet: use {', '.join(COLD_ONES)}"
        raise UserError("--query", name, remedy)
    return strategy


def _standardized(
    embed: Embedder, images: store.Images, dataset: sources.Dataset
) -> dict[str, Any]:
    def readout(state: PyTree, rows: jax.Array) -> dict[str, jax.Array]:
        return {"latents": perturb.standardize(rows, dataset.mean, dataset.std)}

    return embed(readout, (), images)
