"""Cycles, seeds and arms of a run: what is done, what comes next, what is recorded.

The engine: it reads and writes files, prints nothing, and imports nothing that only a
command line or a figure needs.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from gmmal_jax import answers, bind, cycle as cycles, opening, train
from gmmal_jax.bind import Arm, Run
from gmmal_jax.config import Config
from gmmal_jax.data.splits import Split
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.oracle import Oracle, simulated
from gmmal_jax.parallel import hosts
from gmmal_jax.phases import diagnosis
from gmmal_jax.pool import Pool
from gmmal_jax.report.load import Loaded, load
from gmmal_jax.storage import records
from gmmal_jax.storage.records import Record
from gmmal_jax.storage.saver import Saver, shape_of_carried

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
    folder: str | os.PathLike[str],
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
    with opening.opened(config, folder, num_devices, resume) as (bound, changed):
        for line in changed:
            report.note(line)
        execute(bound, report, stop)
        return load(folder)


def execute(run: Run, report: Reporter, stop: Stop = never) -> None:
    """Run all cycles that have no record yet.

    Each asks, has the answer recorded with the query, and tells it to the pool that the
    next one trains on.

    Args:
      run: from `opening.opened`, which holds the folder's lock.
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
        labeled = [answers.first(split, oracle)] * len(bound)
        for cycle, budget in enumerate(run.budgets):
            for i, own in enumerate(bound):
                record = done[own.arm.label].get((seed, cycle))
                if record is None:
                    record = _cycle(own, labeled[i], cycle, budget, report, stop)
                labeled[i] = answers.tell(labeled[i], record)


def one_cycle(
    run: Run,
    seed: int,
    asked: Sequence[Sequence[int]],
    report: Reporter | None = None,
    stop: Stop = never,
) -> Record:
    """The cycle that follows some queries, as the whole run would have recorded it.

    Random numbers go by seed and cycle, and a cycle begins with new networks: all that
    it has of those before it are their labels. So a run can be made in pieces, on
    machines that are taken away, if of each cycle is kept what it asked for:

        with opening.opened(config, folder) as (run, _):
            record = loop.one_cycle(run, seed, asked)
        asked.append([row["index"] for row in record.queries])

    Nothing is recorded in the folder. Checkpoints lie there until the cycle is done:
    the same call goes on after a stop, where the folder is still there. A call with
    other queries begins anew, and the report is told of it.

    Args:
      run: from `opening.opened`; of its arms the method's is run.
      seed: one of the run's.
      asked: of each cycle before, the rows of the pool that it asked for, in any order;
        none: the first cycle.
      report: told of every chunk, stage and row; None: nobody is.
      stop: asked after every chunk; a signal's number ends the cycle, saved.

    Returns:
      The record, with the answers to its query.

    Raises:
      UserError: the run has no such seed or cycle; rows that its cycles cannot have
        asked for; a method that hands more than labels on to the next cycle.
      Interrupted: `stop` asked for it.
      TrainingDiverged: a loss is not finite.
    """
    own, cycle = _method(run, seed), len(asked)
    sizes = [len(rows) for rows in asked]
    if cycle >= len(run.budgets) or sizes != [*run.budgets[:cycle]]:
        remedy = f"give 0 to {len(run.budgets) - 1} queries of {run.config.budget} rows"
        raise UserError("queries of the cycles before, rows each", sizes, remedy)
    pool = answers.after(own.split, own.oracle, asked)
    budget, report = run.budgets[cycle], report or Silent()
    return _cycle(own, pool, cycle, budget, report, stop, recorded=False)


def _method(run: Run, seed: int) -> "_Seed":
    """The method of a run, for a seed, where a cycle needs nothing but labels.

    Raises:
      UserError: it needs more, or the seed is none of the run's.
    """
    arm = run.arms[-1]
    if seed not in run.splits:
        raise UserError("no seed of the run", seed, f"use one of {[*run.splits]}")
    if shape_of_carried(arm.method.learner) is not None:
        remedy = "run all of its cycles in one folder, or use --train.init fresh"
        raise UserError("cycles need the state of those before them", arm.label, remedy)
    split = run.splits[seed]
    oracle = simulated(run.dataset.train_labels[split.pool])
    return _Seed(arm, bind.task(run, arm, seed), split, oracle)


class _Seed(NamedTuple):
    """One arm of a run, for one seed."""

    arm: Arm
    task: cycles.Task
    split: Split
    oracle: Oracle


def _cycle(
    own: _Seed,
    pool: Pool,
    cycle: int,
    budget: int,
    report: Reporter,
    stop: Stop,
    recorded: bool = True,
) -> Record:
    """Ask, from the cycle's start or its last good checkpoint; answer; record both."""
    arm, seed = own.arm, own.task.seed
    saver = Saver(arm.places, seed, cycle, arm.config.checkpoint, arm.trainer, pool)
    watch = Watch((arm.label, seed, cycle), saver, report, stop)
    outcome = _ask(own, pool, cycle, budget, watch)
    record = Record(
        seed=seed,
        cycle=cycle,
        results=outcome.results,
        initial=answers.initial_rows(seed, own.split, pool) if cycle == 0 else [],
        queries=answers.query_rows(pool, outcome),
        diagnostics=outcome.diagnostics,
        timings=saver.timings(),
        recalls=answers.recall_rows(outcome),
    )
    record = answers.answered(record, own.oracle)
    if recorded:
        _write(arm.places.root, pool, record, outcome, saver)
    saver.clean()
    fewer = cycles.fewer(arm.method.strategy, outcome.among)
    for line in (*fewer, *diagnosis.doubts(record.diagnostics)):
        report.note(f"cycle {cycle}, seed {seed}: {line}")
    report.row(arm.label, record)
    return record


def _write(
    root: Path, pool: Pool, record: Record, outcome: cycles.Outcome, saver: Saver
) -> None:
    """The record, and what a picture shows: of several processes the first one does.

    Args:
      root: of the arm.
      pool: that the cycle trained on.
      record: answered.
      outcome: of the cycle.
      saver: of the cycle.
    """
    seed, cycle, latents = record.seed, record.cycle, None
    if record.queries:
        after, before = answers.tell(pool, record), saver.kept_before()
        # In all processes: what is not held of the pool they read together.
        latents = answers.latents(seed, after, cycle, outcome, before)
    if not hosts.leads():
        return
    if latents is not None:
        records.write_arrays(root, seed, cycle, **latents)
    records.write(root, record)
    records.write_views(root)


def _ask(
    own: _Seed, pool: Pool, cycle: int, budget: int, watch: "Watch"
) -> cycles.Outcome:
    saver = watch.saver
    previous = saver.carried()
    standing, warnings = saver.resume(previous)
    for line in warnings:
        watch.report.note(line)
    if standing is None:
        standing = cycles.begin(own.task, cycle, previous)
    on_chunk = _between(own, pool, cycle, watch) if budget else watch.on_chunk
    outcome = cycles.run(
        own.task, pool, cycle, budget, standing, on_chunk, watch.on_scoring
    )
    if budget:  # else no cycle follows
        saver.keep_carried(own.arm.method.learner.carry(outcome.state))
    return outcome


def _between(own: _Seed, pool: Pool, cycle: int, watch: "Watch") -> train.OnChunk:
    """`watch.on_chunk`, before which the latents of the first of stages are kept."""
    phases, saver = own.arm.method.learner.phases, watch.saver

    def on_chunk(standing: train.Standing) -> None:
        if len(phases) > 1 and standing.position == train.Position(1):
            saver.lap(phases[0].name)
            found = answers.latents_before(own.task, pool, cycle, standing.state)
            saver.keep_before(found)
        watch.on_chunk(standing)

    return on_chunk


class Watch:
    """Between the chunks of a cycle: tell, save, stop.

    Args:
      where: arm, seed and cycle, as the reporter is told them.
      saver: of that cycle.
      report: is told of every chunk and stage.
      stop: is asked after every chunk.
    """

    def __init__(
        self, where: tuple[str, int, int], saver: Saver, report: Reporter, stop: Stop
    ) -> None:
        self.where = where
        self.saver, self.report, self.stop = saver, report, stop

    def on_chunk(self, standing: train.Standing) -> None:
        """Tell, save when it is time, stop when asked to."""
        chunk = standing.chunk
        assert chunk is not None
        self.saver.lap(chunk.name)
        self.report.progress(*self.where, chunk)
        # One process's signal stops all, and the first one's clock is everyone's.
        signum = self.stop() or 0
        asked = hosts.agreed([signum, signum > 0 or self.saver.is_due(chunk)])
        signum = int(asked[:, 0].max())
        if signum or asked[0, 1]:
            self.saver.save(standing)
        if signum:
            raise Interrupted(signum)

    def on_scoring(self) -> None:
        """Training is over: what follows is scoring."""
        self.saver.lap("scoring")
        self.report.stage(*self.where, "scoring")


def _done(arm: Arm, report: Reporter) -> dict[tuple[int, int], Record]:
    def read() -> list[list[Any]]:
        found = records.load(arm.places.root)
        if found:
            records.write_views(arm.places.root)
        return [list(record) for record in found]

    found = [Record(*fields) for fields in hosts.told(read)]
    for record in found:
        report.row(arm.label, record)
    return {(record.seed, record.cycle): record for record in found}
