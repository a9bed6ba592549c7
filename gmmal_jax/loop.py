"""Cycles, seeds and arms of a run: what is done, what comes next, what is recorded.

The engine: it reads and writes files, prints nothing, and imports nothing that only a
command line or a figure needs.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from gmmal_jax import bind, cycle as cycles, keys, pool as pools, train
from gmmal_jax.bind import Arm, Run
from gmmal_jax.config import Config
from gmmal_jax.data.splits import Split
from gmmal_jax.errors import Interrupted
from gmmal_jax.oracle import Oracle, simulated
from gmmal_jax.pool import Pool
from gmmal_jax.report.load import Loaded, load
from gmmal_jax.storage import records
from gmmal_jax.storage.records import Record
from gmmal_jax.storage.saver import Saver

MAP_ROWS = 3000
"""Latents kept of the last query's cycle, for a picture."""
Stop = Callable[[], int | None]
"""Asked after every chunk; a signal's number ends the run, saved."""


@runtime_checkable
class Reporter(Protocol):
    """Where a run tells how it goes; all methods return at once.

    Arms are called by their labels. A class of one's own may have these four methods,
    or derive from `Silent` and have some of them.
    """

    def note(self, text: str) -> None:
        """One line of news: a checkpoint that could not be used, ..."""

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Chunk) -> None:
        """A chunk of steps is done."""

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """A stage without steps begins."""

    def row(self, arm: str, record: Record) -> None:
        """A cycle is done and recorded, now or before the run was taken up."""


class Silent:
    """A `Reporter` that tells nobody."""

    def note(self, text: str) -> None:
        """Nothing."""

    def progress(self, arm: str, seed: int, cycle: int, chunk: train.Chunk) -> None:
        """Nothing."""

    def stage(self, arm: str, seed: int, cycle: int, name: str) -> None:
        """Nothing."""

    def row(self, arm: str, record: Record) -> None:
        """Nothing."""


def never() -> None:
    """The `Stop` of a run that goes on to its end."""


def run(
    config: Config,
    folder: str | os.PathLike,
    report: Reporter | None = None,
    *,
    num_devices: int | None = None,
    resume: bool = True,
    stop: Stop = never,
) -> Loaded:
    """Choose labels cycle by cycle, into a folder: what `gmmal run` does.

    A folder that holds this very run is gone on with where its records and checkpoints
    end; one whose run is done is read and returned.

    Args:
      config: of the run; `config.out` is not looked at.
      folder: new, or this run's.
      report: told of every chunk, stage and row; None: nobody is.
      num_devices: that share each batch; None: all.
      resume: false refuses a folder that holds a run, even this one.
      stop: asked after every chunk; a signal's number ends the run, saved.

    Returns:
      What `gmmal_jax.load` reads in the folder then.

    Raises:
      UserError: unusable options or data; the folder holds another run, is in use by
        another process, or cannot be written to.
      Interrupted: `stop` asked for it.
      TrainingDiverged: a loss is not finite.
    """
    folder, report = Path(folder), report or Silent()
    with bind.opened(config, folder, num_devices, resume) as (bound, changed):
        for line in changed:
            report.note(line)
        execute(bound, report, stop)
        return load(folder)


def execute(run: Run, report: Reporter, stop: Stop = never) -> None:
    """Run all cycles that have no record yet.

    Each asks, has the answer recorded with the query, and tells it to the pool that the
    next one trains on.

    Args:
      run: from `bind.opened`, which holds the folder's lock.
      report: told of every chunk, stage and row.
      stop: asked after every chunk; a signal's number ends the run, saved.

    Raises:
      Interrupted: `stop` asked for it.
      TrainingDiverged: a loss is not finite.
    """
    done = {arm.label: _done(arm, report) for arm in run.arms}
    for seed, split in run.splits.items():
        oracle = simulated(run.dataset.train_labels[split.pool])
        bound = [
            _Seed(arm, bind.task(run, arm, seed), split, oracle) for arm in run.arms
        ]
        labeled = [_first_labels(split, oracle)] * len(bound)
        for cycle, budget in enumerate(run.budgets):
            for i, own in enumerate(bound):
                record = done[own.arm.label].get((seed, cycle))
                if record is None:
                    record = _cycle(own, labeled[i], cycle, budget, report, stop)
                labeled[i] = tell(labeled[i], record)


class _Seed(NamedTuple):
    """One arm of a run, for one seed."""

    arm: Arm
    task: cycles.Task
    split: Split
    oracle: Oracle


def _first_labels(split: Split, oracle: Oracle) -> Pool:
    return pools.label(pools.make(split.pool), split.initial, oracle(split.initial), 0)


def _cycle(
    own: _Seed, pool: Pool, cycle: int, budget: int, report: Reporter, stop: Stop
) -> Record:
    """Ask, from the cycle's start or its last good checkpoint; answer; record both."""
    arm, seed = own.arm, own.task.seed
    saver = Saver(arm.places, seed, cycle, arm.config.checkpoint, arm.trainer)
    outcome = _ask(own, pool, cycle, budget, _Watch(own, cycle, saver, report, stop))
    record = Record(
        seed=seed,
        cycle=cycle,
        results=outcome.results,
        initial=_initial(own, pool) if cycle == 0 else [],
        queries=_query_rows(pool, outcome),
        diagnostics=outcome.diagnostics,
        timings=saver.timings(),
    )
    record = answered(record, own.oracle)
    if budget:
        latents = _latents(seed, tell(pool, record), cycle, outcome)
        records.write_arrays(arm.places.root, seed, cycle, **latents)
    records.write(arm.places.root, record)
    records.write_views(arm.places.root)
    saver.clean()
    report.row(arm.label, record)
    return record


def _ask(
    own: _Seed, pool: Pool, cycle: int, budget: int, watch: "_Watch"
) -> cycles.Outcome:
    saver = watch.saver
    previous = saver.carried()
    standing, warnings = saver.resume(previous)
    for line in warnings:
        watch.report.note(line)
    if standing is None:
        standing = cycles.begin(own.task, cycle, previous)
    outcome = cycles.run(
        own.task, pool, cycle, budget, standing, watch.on_chunk, watch.on_scoring
    )
    saver.keep_carried(own.arm.method.learner.carry(outcome.state))
    return outcome


class _Watch:
    """Between the chunks of a cycle: tell, save, stop."""

    def __init__(
        self, own: _Seed, cycle: int, saver: Saver, report: Reporter, stop: Stop
    ) -> None:
        self.where = own.arm.label, own.task.seed, cycle
        self.saver, self.report, self.stop = saver, report, stop

    def on_chunk(self, standing: train.Standing) -> None:
        """Tell, save when it is time, stop when asked to."""
        chunk = standing.chunk
        assert chunk is not None
        self.saver.lap(chunk.name)
        self.report.progress(*self.where, chunk)
        signum = self.stop()
        if signum or self.saver.is_due(chunk):
            self.saver.save(standing)
        if signum:
            raise Interrupted(signum)

    def on_scoring(self) -> None:
        """Training is over: what follows is scoring."""
        self.saver.lap("scoring")
        self.report.stage(*self.where, "scoring")


def _initial(own: _Seed, pool: Pool) -> list[records.Row]:
    rows = own.split.initial
    columns = zip(rows, pool.ids[rows], pool.labels[rows], strict=True)
    return [
        {
            "seed": own.task.seed,
            "index": int(index),
            "id": int(name),
            "label": int(label),
        }
        for index, name, label in columns
    ]


def _query_rows(pool: Pool, outcome: cycles.Outcome) -> list[records.Row]:
    """The query as it is recorded, without answers."""
    query = outcome.query
    if query is None:
        return []
    pseudo = _pseudo_labels(outcome)
    rows = []
    for rank, index in enumerate(query.indices):
        row: dict[str, Any] = {
            "rank": rank,
            "index": int(index),
            "id": int(pool.ids[index]),
            "pseudo_label": int(pseudo[index]),
        }
        row |= {name: float(score[index]) for name, score in query.scores.items()}
        row |= {f"rank_{name}": float(r[index]) for name, r in query.ranks.items()}
        rows.append(row | {"total": float(query.total[index])})
    return rows


def _pseudo_labels(outcome: cycles.Outcome) -> np.ndarray:
    """The classifier's, int [n]."""
    return outcome.view.columns["logits"].argmax(axis=1)


def answered(record: Record, oracle: Oracle) -> Record:
    """A record whose queries carry their labels.

    Args:
      record: of a cycle that may have asked.
      oracle: whoever knows.
    """
    if not record.queries:
        return record
    labels = oracle(_asked(record))
    pairs = zip(record.queries, labels, strict=True)
    return record._replace(
        queries=[row | {"label": int(label)} for row, label in pairs]
    )


def tell(pool: Pool, record: Record) -> Pool:
    """The pool that the next cycle trains on: with a record's answers.

    Args:
      pool: that the record's cycle trained on.
      record: answered.
    """
    if not record.queries:
        return pool
    labels = np.asarray([row["label"] for row in record.queries], np.int32)
    return pools.label(pool, _asked(record), labels, record.cycle + 1)


def _asked(record: Record) -> np.ndarray:
    return np.asarray([row["index"] for row in record.queries], np.int64)


def _latents(
    seed: int, pool: Pool, cycle: int, outcome: cycles.Outcome
) -> dict[str, np.ndarray]:
    """What a picture shows: chosen, labeled and a part of the rest, m rows.

    A class that nobody has bought is the classifier's guess.

    Args:
      seed: of the run.
      pool: with the answers to this cycle's query.
      cycle: that asked.
      outcome: of that cycle.

    Returns:
      latents [m, d], group int8 [m] (labeled, unlabeled, chosen), label [m], bought
      bool [m]: whether the label was.
    """
    group = np.where(pool.labeled, 0, 1).astype(np.int8)
    group[pool.since == cycle + 1] = 2
    shuffled = keys.rng(seed, "query", cycle, 1).permutation(len(group))
    wanted_first = shuffled[np.argsort(group[shuffled] == 1, kind="stable")]
    rows = np.sort(wanted_first[:MAP_ROWS])
    labels = np.where(pool.labeled, pool.labels, _pseudo_labels(outcome))
    return {
        "latents": outcome.view.columns["latents"][rows],
        "group": group[rows],
        "label": labels[rows].astype(np.int32),
        "bought": pool.labeled[rows],
    }


def _done(arm: Arm, report: Reporter) -> dict[tuple[int, int], Record]:
    found = records.load(arm.places.root)
    if found:
        records.write_views(arm.places.root)
    for record in found:
        report.row(arm.label, record)
    return {(record.seed, record.cycle): record for record in found}
