"""Between a query and the next training: its record, its answers, the pool after it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmmal_jax import cycle as cycles, keys, pool as pools
from gmmal_jax.cycle import Outcome, Task
from gmmal_jax.data.splits import Split
from gmmal_jax.errors import UserError
from gmmal_jax.oracle import Oracle
from gmmal_jax.pool import Pool
from gmmal_jax.storage.records import Record, Row
from gmmal_jax.types import PyTree

MAP_ROWS = 3000
"""Latents kept of a cycle that asks, for a picture."""
_UNMOVED = 1e-4
"""Latents that have changed by less, of the largest, are equal: two programs round."""


def first(split: Split, oracle: Oracle) -> Pool:
    """The pool with its first labels."""
    rows = split.initial
    return pools.label(pools.make(split.pool), rows, oracle(rows), 0)


def after(split: Split, oracle: Oracle, asked: Sequence[Sequence[int]]) -> Pool:
    """The pool with its first labels and those of some queries.

    Args:
      split: of the seed.
      oracle: whoever knows.
      asked: of each cycle from the first one on, the pool's rows that it asked for.

    Raises:
      UserError: rows that a cycle cannot have asked for.
    """
    pool = first(split, oracle)
    for cycle, each in enumerate(asked):
        rows = np.asarray(each, np.int64)
        there = (rows >= 0) & (rows < len(pool.ids))
        if not there.all() or pool.labeled[rows].any() or len({*each}) != len(each):
            remedy = f"name distinct unlabeled rows of the pool's {len(pool.ids)}"
            raise UserError(f"rows that cycle {cycle} asked for", None, remedy)
        pool = pools.label(pool, rows, oracle(rows), cycle + 1)
    return pool


def initial_rows(seed: int, split: Split, pool: Pool) -> list[Row]:
    """The first labels as they are recorded.

    Args:
      seed: of the run.
      split: of that seed.
      pool: with its first labels.
    """
    rows = split.initial
    columns = zip(rows, pool.ids[rows], pool.labels[rows], strict=True)
    return [
        {
            "seed": seed,
            "index": int(index),
            "id": int(name),
            "label": int(label),
        }
        for index, name, label in columns
    ]


def query_rows(pool: Pool, outcome: Outcome) -> list[Row]:
    """The query as it is recorded, without answers."""
    query = outcome.query
    if query is None:
        return []
    pseudo = _pseudo_labels(outcome, query.indices)
    rows = []
    for rank, (index, guess) in enumerate(zip(query.indices, pseudo, strict=True)):
        row: dict[str, Any] = {
            "rank": rank,
            "index": int(index),
            "id": int(pool.ids[index]),
            "pseudo_label": int(guess),
        }
        row |= {name: float(score[index]) for name, score in query.scores.items()}
        row |= {f"rank_{name}": float(r[index]) for name, r in query.ranks.items()}
        rows.append(row | {"total": float(query.total[index])})
    return rows


def _pseudo_labels(outcome: Outcome, rows: np.ndarray) -> Any:
    """The classifier's, of some rows of the pool, int [m]."""
    places = np.searchsorted(outcome.rows, rows)
    return np.argmax(outcome.view.columns["logits"][places], axis=1)


def recall_rows(outcome: Outcome) -> list[Row]:
    """Recall by class as it is recorded."""
    return [
        {"class": each.label, "recall": each.recall, "support": each.support}
        for each in outcome.recalls
    ]


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


def latents_before(
    task: Task, pool: Pool, cycle: int, state: PyTree
) -> dict[str, np.ndarray]:
    """Latents of rows that a picture may show, before it is known which it will.

    The picture's rows depend on the query. Here are the first 3,000 labeled rows and
    the first 3,000 candidates in the order that it takes them in: all that it shows,
    but for chosen rows further on, of a pool of more than 3,000 candidates.

    Args:
      task: constant over the cycles.
      pool: that the cycle trains on.
      cycle: from 0.
      state: the learner's, at the end of its first stage.

    Returns:
      rows int [m] of the pool, ascending, and latents [m, d].
    """
    seen = np.flatnonzero(pool.labeled | cycles.candidates_of(task, pool, cycle))
    order = seen[_shuffled(task.seed, cycle, len(seen))]
    known = pool.labeled[order]
    rows = np.sort(np.concatenate([order[known][:MAP_ROWS], order[~known][:MAP_ROWS]]))
    learner, images = task.method.learner, task.images.take(rows)
    columns = task.trainer.embed(learner.readout, state, images, cycles.plain(learner))
    return {"rows": rows, "latents": columns["latents"][:]}


def latents(
    seed: int,
    pool: Pool,
    cycle: int,
    outcome: Outcome,
    before: dict[str, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """What a picture shows: chosen, labeled and a part of the rest, m rows.

    A class that nobody has bought is the classifier's guess.

    Args:
      seed: of the run.
      pool: with the answers to this cycle's query.
      cycle: that asked.
      outcome: of that cycle.
      before: from `latents_before`; None where there is one stage only.

    Returns:
      latents [m, d], group int8 [m] (labeled, unlabeled, chosen), label [m], bought
      bool [m]: whether the label was; "column/..." and "score/..." [m]: numbers that
      the learner reads off a row, and scores, NaN where it has none. With `before` also
      before [p, d], the latents at the end of the first stage, and before_rows int [p],
      which of the m rows they are; neither where the later stages have left the network
      alone.
    """
    seen = pool.take(outcome.rows)
    group = np.where(seen.labeled, 0, 1).astype(np.int8)
    group[seen.since == cycle + 1] = 2
    shuffled = _shuffled(seed, cycle, len(group))
    wanted_first = shuffled[np.argsort(group[shuffled] == 1, kind="stable")]
    places = np.sort(wanted_first[:MAP_ROWS])
    kept, guesses = seen.take(places), _pseudo_labels(outcome, outcome.rows[places])
    found = {
        "latents": outcome.view.columns["latents"][places],
        "group": group[places],
        "label": np.where(kept.labeled, kept.labels, guesses).astype(np.int32),
        "bought": kept.labeled,
    } | numbers(outcome, places)
    if before is None:
        return found
    return found | _moved(before, outcome.rows[places], found["latents"])


def numbers(outcome: Outcome, places: np.ndarray) -> dict[str, np.ndarray]:
    """What a map's points may be colored by: a number a row.

    Args:
      outcome: of a cycle.
      places: int [m], which of the rows that it saw.

    Returns:
      "column/..." and "score/..." [m], NaN where a row has no score.
    """
    query, columns = outcome.query, outcome.view.columns
    found = {
        f"column/{name}": np.asarray(column[places])
        for name, column in columns.items()
        if len(column.shape) == 1
    }
    scores = query.scores if query else {}
    rows = outcome.rows[places]
    return found | {
        f"score/{name}": np.asarray(score[rows]) for name, score in scores.items()
    }


def _shuffled(seed: int, cycle: int, num: int) -> np.ndarray:
    """The order in which a picture takes rows, of those that a cycle sees."""
    return keys.rng(seed, "query", cycle, 1).permutation(num)


def _moved(
    before: dict[str, np.ndarray], rows: np.ndarray, latents: np.ndarray
) -> dict[str, np.ndarray]:
    """Where rows of the pool were before; nothing where they are still there."""
    both = np.flatnonzero(np.isin(rows, before["rows"]))
    then = before["latents"][np.searchsorted(before["rows"], rows[both])]
    farthest = np.abs(then - latents[both]).max(initial=0)
    if farthest <= _UNMOVED * np.abs(then).max(initial=0):
        return {}
    return {"before": then, "before_rows": both}
