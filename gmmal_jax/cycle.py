"""One active-learning cycle: train, look at the pool, measure, ask."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax import evaluation, keys, memory, parallel, planning, pool as pools, train
from gmmal_jax.assembly import Method
from gmmal_jax.config import SelectConfig
from gmmal_jax.data.store import Images
from gmmal_jax.phases.base import Learner, with_model
from gmmal_jax.pool import Pool
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base
from gmmal_jax.types import EmbedPool, ModelState, PoolView, PyTree, Query

PLAIN = frozenset({"logits", "latents"})
"""A task network's own columns."""


class Task(NamedTuple):
    """What stays the same over the cycles of one seed.

    Attributes:
      seed: of all streams.
      method: learner and strategy.
      trainer: the learner, bound to devices.
      images: n rows of the pool, placed.
      evaluation: m rows that are never trained on.
      evaluation_labels: int [m].
      select: how queries are made of scores.
      continued: networks go on from the cycle before (`phases.continued`).
      refit_rows: unlabeled rows that refits before the last one read; None: all.
      room: what may be held of the pool; None: all of it.
    """

    seed: int
    method: Method
    trainer: train.Trainer
    images: Images
    evaluation: Images
    evaluation_labels: np.ndarray
    select: SelectConfig
    continued: bool = False
    refit_rows: int | None = None
    room: memory.Room | None = None


class Outcome(NamedTuple):
    """What a cycle found out.

    Attributes:
      state: the learner's, trained.
      view: labeled rows and candidates, as that state sees them.
      rows: int [m], which rows of the pool these are, ascending.
      results: labels, accuracy and the like on the evaluation part.
      diagnostics: of training and the state.
      query: what to label next, of the whole pool; None where no budget was given.
      recalls: of every class, on the evaluation part.
      among: see `Asked`.
    """

    state: PyTree
    view: PoolView
    rows: np.ndarray
    results: dict[str, float | int]
    diagnostics: dict[str, float]
    query: Query | None
    recalls: Sequence[evaluation.Recall] = ()
    among: int | None = None


def begin(
    task: Task,
    cycle: int,
    previous: Any = None,
    network: ModelState | None = None,
    phase: int = 0,
) -> train.Standing:
    """The start of a cycle's training, or of one that branches from another.

    Args:
      task: constant over the cycles.
      cycle: from 0.
      previous: what the learner carried over from the last cycle.
      network: a task network of the same architecture, trained elsewhere, host arrays;
        all else of the state is fresh: optimizers, critics, mixtures. None: a new one.
      phase: of the learner, to begin with. What comes before it is not run: with the
        network that it would have left, the phase runs as in the whole cycle.

    Raises:
      UserError: the learner's state takes no network, see `phases.base.with_model`.
    """
    key = keys.key(task.seed, "network", cycle)
    state = task.trainer.init(key, previous)
    if network is not None:
        state = parallel.place_state(task.trainer.mesh, with_model(state, network))
    return train.Standing(state, train.Position(phase))


def run(
    task: Task,
    pool: Pool,
    cycle: int,
    budget: int,
    standing: train.Standing | None,
    on_chunk: train.OnChunk,
    on_scoring: Callable[[], None],
) -> Outcome:
    """Train on what is labeled, measure, and ask for `budget` rows (section 3.1).

    Nothing is answered here: who does that comes after.

    Args:
      task: constant over the cycles.
      pool: what is labeled.
      cycle: from 0.
      budget: rows to ask for; 0: none.
      standing: from `begin` or a checkpoint of this cycle; None: from `begin`, with
        nothing carried over.
      on_chunk: see `train.run`.
      on_scoring: called when training is over.
    """
    candidates = candidates_of(task, pool, cycle)
    standing = standing or begin(task, cycle)
    trained = learn(task, pool, cycle, candidates, standing, on_chunk)
    on_scoring()
    rows = np.flatnonzero(pool.labeled | candidates)
    view = _look_at(task, pool, candidates, rows)(trained.state)
    measured = _evaluate(task, trained.state)
    results = {
        **_labeled(task, pool, measured.results),
        "candidates": int(np.count_nonzero(candidates)),
        "continued": int(task.continued),
    }
    diagnostics = _diagnose(task, view, trained)
    diagnostics["calibration_error"] = measured.calibration_error
    query = among = None
    if budget:
        asked, among = ask(task, view, cycle, budget)
        query = base.in_pool(asked, rows, len(pool.ids))
    return Outcome(
        trained.state, view, rows, results, diagnostics, query, measured.recalls, among
    )


def candidates_of(task: Task, pool: Pool, cycle: int) -> np.ndarray:
    """Bool [n]: the rows that may be asked in a cycle."""
    generator = keys.rng(task.seed, "query", cycle, 0)
    return pools.draw_candidates(generator, pool, task.select.subset_size)


def learn(
    task: Task,
    pool: Pool,
    cycle: int,
    candidates: np.ndarray,
    standing: train.Standing,
    on_chunk: train.OnChunk,
    on_last_refit: Callable[[], None] = lambda: None,
) -> train.Standing:
    """Train on what is labeled, from `begin` or a checkpoint to the end.

    Args:
      task: constant over the cycles.
      pool: what is labeled.
      cycle: from 0.
      candidates: bool [n].
      standing: where training begins.
      on_chunk: see `train.run`.
      on_last_refit: called before the refit that reads all rows.
    """
    data = planning.Data(task.images, pool, candidates)

    def every(state: PyTree) -> PoolView:
        return look(task, pool, candidates, state)

    def last(state: PyTree) -> PoolView:
        on_last_refit()
        return every(state)

    rows = _refit_rows(task, pool, cycle)
    some = every if rows is None else _look_at(task, pool, candidates, rows)
    looks = train.Looks(some, last)
    return train.run(task.trainer, task.seed, cycle, data, standing, looks, on_chunk)


def _look_at(
    task: Task, pool: Pool, candidates: np.ndarray, rows: np.ndarray
) -> EmbedPool:
    if len(rows) == len(pool.ids):
        return lambda state: look(task, pool, candidates, state)
    part, known = task._replace(images=task.images.take(rows)), pool.take(rows)
    return lambda state: look(part, known, candidates[rows], state)


def _refit_rows(task: Task, pool: Pool, cycle: int) -> np.ndarray | None:
    """Rows that refits read, before the last one, ascending; None: all."""
    unlabeled, most = np.flatnonzero(~pool.labeled), task.refit_rows
    if most is None or most >= len(unlabeled):
        return None
    generator = keys.rng(task.seed, "stage2", cycle, 0)
    some = generator.choice(unlabeled, most, replace=False)
    return np.union1d(np.flatnonzero(pool.labeled), some)


class Asked(NamedTuple):
    """A query, and what it was chosen among.

    Attributes:
      query: of all rows of the view.
      among: candidates, drawn at random, that a strategy chose among which reads all
        latents together, where not all fit the memory; None: all of the view.
    """

    query: Query
    among: int | None


def fewer(strategy: base.Strategy, among: int | None) -> list[str]:
    """What `Asked.among` means for a choice: a line, or none."""
    if among is None:
        return []
    return [
        f"{strategy.name} reads all latents together: it chooses among {among:,} rows, "
        "drawn at random, that fit the memory"
    ]


def ask(task: Task, view: PoolView, cycle: int, budget: int) -> Asked:
    """What to label next, as the pool looks now."""
    wanted = Ask(budget, task.trainer.num_classes, task.select)
    address = task.seed, "query", cycle
    asked = ask_within(task.room, address, task.method.strategy, view, wanted)
    decided: Query = parallel.hosts.from_lead(asked.query)
    return asked._replace(query=decided)


def ask_within(
    room: memory.Room | None,
    address: tuple[int, str, int],
    strategy: base.Strategy,
    view: PoolView,
    wanted: Ask,
) -> Asked:
    """Ask a strategy, among as many rows as it may see together.

    Args:
      room: what may be held; None: all.
      address: seed, stream and cycle of the random numbers.
      strategy: is asked.
      view: labeled rows and candidates.
      wanted: how many rows, and how they are chosen.
    """
    key, rows, num = keys.key(*address), None, len(view.ids)
    if room is not None:
        selector = base.selector_of(strategy, wanted.options)
        generator = keys.rng(*address, 2)
        rows = memory.together(room, selector, view, wanted.budget, generator)
    if rows is None:
        return Asked(base.query(key, strategy, view, wanted), None)
    seen = view.take(rows)
    query = base.query(key, strategy, seen, wanted)
    among = int(np.count_nonzero(seen.candidates)) if len(rows) < num else None
    return Asked(base.in_pool(query, rows, num), among)


def plain(learner: Learner) -> frozenset[str] | None:
    """What to ask a readout for where its task network's columns will do.

    One program for all who ask so, and the whole readout's where it gives no more.
    """
    return None if learner.gives == PLAIN else PLAIN


def look(task: Task, pool: Pool, candidates: np.ndarray, state: PyTree) -> PoolView:
    """The pool as a trained state's readout sees it."""
    learner = task.method.learner
    columns = task.trainer.embed(learner.readout, state, task.images)
    head = learner.head and jax.device_get(learner.head(state))
    team = parallel.team(task.trainer.mesh)
    return PoolView(
        pool.ids, pool.labeled, candidates, pool.labels, columns, head, team
    )


def _evaluate(task: Task, state: PyTree) -> evaluation.Measured:
    # A program of these columns alone: methods that trained alike get equal bits,
    # whatever else their readouts compute.
    columns = _held_out(task, state, plain(task.method.learner))
    return evaluation.measure(columns["logits"][:], task.evaluation_labels)


def _labeled(
    task: Task, pool: Pool, results: dict[str, float]
) -> dict[str, float | int]:
    """Results between what is known of the labeled set, in the records' order."""
    shares = np.bincount(pool.labels[pool.labeled], minlength=task.trainer.num_classes)
    return {
        "labeled": int(pool.labeled.sum()),
        **results,
        "labeled_class_entropy": evaluation.class_entropy(shares),
    }


def _diagnose(task: Task, view: PoolView, trained: train.Standing) -> dict[str, float]:
    learner = task.method.learner
    result = {
        f"{phase}/{name}": value
        for phase, values in trained.metrics.items()
        for name, value in values.items()
    }
    if learner.diagnose is None:
        return result
    held_out = _held_out(task, trained.state, None)
    return result | learner.diagnose(trained.state, view, held_out)


def _held_out(
    task: Task, state: PyTree, columns: frozenset[str] | None
) -> dict[str, Any]:
    readout = task.method.learner.readout
    return task.trainer.embed(readout, state, task.evaluation, columns)
