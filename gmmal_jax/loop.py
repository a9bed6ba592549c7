"""Cycles, seeds and arms of a run: what is done, what comes next, what is recorded.

The engine: it reads and writes files, prints nothing, and imports nothing that only a
command line or a figure needs.
"""

from typing import Any

import numpy as np

from gmmal_jax import cycle as cycles, keys, oracle, pool as pools
from gmmal_jax.bind import Arm, Run
from gmmal_jax.data import splits, store
from gmmal_jax.pool import Pool
from gmmal_jax.storage import records
from gmmal_jax.storage.saver import Reporter, Saver, Stop

MAP_ROWS = 3000
"""Latents kept of the last query's cycle, for a picture."""


def execute(run: Run, report: Reporter, stop: Stop) -> None:
    """Run all cycles that have no record yet.

    Args:
      run: from `start` or `reopen`; the caller holds the folder's lock.
      report: told of every chunk, stage and row.
      stop: asked after every chunk; a signal's number ends the run, saved.

    Raises:
      Interrupted: `stop` asked for it.
      TrainingDiverged: a loss is not finite.
    """
    done = {arm.label: _done(arm, report) for arm in run.arms}
    for seed in run.config.seeds:
        split = splits.make(run.config, run.dataset, seed)
        answer = oracle.simulated(run.dataset.train_labels[split.pool])
        bound = {arm.label: _Seed(run, arm, split, answer, seed) for arm in run.arms}
        for cycle in range(run.config.cycles):
            for arm in run.arms:
                record = done[arm.label].get((seed, cycle))
                if record is None:
                    record = _cycle(bound[arm.label], cycle, report, stop)
                bound[arm.label].label(record)


class _Seed:
    """One arm's labels so far, for one seed."""

    def __init__(
        self,
        run: Run,
        arm: Arm,
        split: splits.Split,
        answer: oracle.Oracle,
        seed: int,
    ) -> None:
        self.arm, self.split, self.answer, self.seed = arm, split, answer, seed
        data = run.dataset
        images = {"train": data.train_images, "test": data.test_images}
        labels = {"train": data.train_labels, "test": data.test_labels}
        evaluation = store.from_array(images[split.evaluation])
        self.task = cycles.Task(
            seed=seed,
            method=arm.method,
            trainer=arm.trainer,
            images=run.images.take(split.pool),
            evaluation=evaluation.take(split.evaluation_rows),
            evaluation_labels=labels[split.evaluation][split.evaluation_rows],
            select=arm.config.select,
        )
        empty = pools.make(split.pool)
        self.pool: Pool = pools.label(empty, split.initial, answer(split.initial), 0)

    def initial(self) -> list[dict[str, int]]:
        rows = self.split.initial
        columns = zip(rows, self.pool.ids[rows], self.pool.labels[rows], strict=True)
        return [
            {"seed": self.seed, "index": int(i), "id": int(name), "label": int(label)}
            for i, name, label in columns
        ]

    def label(self, record: records.Record) -> None:
        indices = np.asarray([row["index"] for row in record.queries], np.int64)
        if len(indices):
            answers = np.asarray([row["label"] for row in record.queries], np.int32)
            self.pool = pools.label(self.pool, indices, answers, record.cycle + 1)


def _cycle(bound: _Seed, cycle: int, report: Reporter, stop: Stop) -> records.Record:
    """Run one cycle from its start or its last good checkpoint, and record it."""
    arm, seed, config = bound.arm, bound.seed, bound.arm.config
    saver = Saver(arm, seed, cycle, report, stop)
    previous = saver.carried()
    resumed = saver.resume(previous)
    budget = config.budget if cycle < config.cycles - 1 else 0
    outcome = cycles.run(
        bound.task, bound.pool, cycle, budget, previous, resumed,
        saver.on_chunk, saver.on_scoring,
    )  # fmt: skip
    saver.keep_carried(arm.method.learner.carry(outcome.state))
    if budget:
        _keep_latents(bound, cycle, outcome)
    record = records.Record(
        seed=seed,
        cycle=cycle,
        results=outcome.results,
        initial=bound.initial() if cycle == 0 else [],
        queries=_query_rows(bound, outcome),
        diagnostics=outcome.diagnostics,
        timings=saver.timings(),
    )
    records.write(arm.folder, record)
    records.write_views(arm.folder)
    saver.clean()
    report.row(arm.label, record)
    return record


def _query_rows(bound: _Seed, outcome: cycles.Outcome) -> list[dict[str, Any]]:
    query = outcome.query
    if query is None:
        return []
    answers = bound.answer(query.indices)
    pseudo = outcome.view.columns["logits"].argmax(axis=1)
    rows = []
    for rank, (index, label) in enumerate(zip(query.indices, answers, strict=True)):
        row: dict[str, Any] = {
            "rank": rank,
            "index": int(index),
            "id": int(bound.pool.ids[index]),
            "label": int(label),
            "pseudo_label": int(pseudo[index]),
        }
        row |= {name: float(score[index]) for name, score in query.scores.items()}
        row |= {f"rank_{name}": float(r[index]) for name, r in query.ranks.items()}
        rows.append(row | {"total": float(query.total[index])})
    return rows


def _keep_latents(bound: _Seed, cycle: int, outcome: cycles.Outcome) -> None:
    """Keep the latents that a picture shows: chosen, labeled, a part of the rest."""
    if outcome.query is None:
        return
    group = np.where(bound.pool.labeled, 0, 1).astype(np.int8)
    group[outcome.query.indices] = 2
    shuffled = keys.rng(bound.seed, "query", cycle, 1).permutation(len(group))
    wanted_first = shuffled[np.argsort(group[shuffled] == 1, kind="stable")]
    rows = np.sort(wanted_first[:MAP_ROWS])
    records.write_arrays(
        bound.arm.folder,
        bound.seed,
        cycle,
        latents=outcome.view.columns["latents"][rows],
        group=group[rows],
        label=bound.answer(rows),
    )


def _done(arm: Arm, report: Reporter) -> dict[tuple[int, int], records.Record]:
    found = records.load(arm.folder)
    if found:
        records.write_views(arm.folder)
    for record in found:
        report.row(arm.label, record)
    return {(record.seed, record.cycle): record for record in found}
