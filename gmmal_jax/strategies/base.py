"""What a query strategy is, and how one turns a pool into a query."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import selection, shares
from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.selection import CONSTRUCTIONS, TOP, Ask, Fusion, Selector
from gmmal_jax.strategies import checks
from gmmal_jax.types import Key, PoolView, Query, Streamed, Team, struct

_CHUNK_ROWS = 16_384
"""Rows that are scored at once, where a column is read by rows."""
Scores = dict[str, jax.Array]
Score = Callable[[Key, PoolView], Scores]


def score_nothing(key: Key, view: PoolView) -> Scores:
    """The score of strategies that choose rows together, by a `Selector` alone.

    Args:
      key: unused.
      view: unused.

    Returns:
      No score.
    """
    del key, view
    return {}


class Strategy(NamedTuple):
    """How to decide what is asked next.

    A strategy scores rows one by one, or chooses them together, or both.

    Attributes:
      name: what reports call it.
      needs: columns of the pool that `score` may read; it sees no others.
      score: (key, view) -> name -> float [n], higher = ask first; traced. Row i depends
        on row i, the head and fold_in(key, ids[i]) only, so rows may be scored in
        chunks. It must be the same function in every cycle, or it compiles again.
      select: chooses the rows; --select.diversity replaces that of a strategy that
        scores rows.
      needs_head: whether the one or the other looks through `PoolView.head`; learners
        and networks that have none are then refused before anything is trained.
      fusion: how several scores become one total.
    """

    name: str
    needs: frozenset[str]
    score: Score = score_nothing
    select: Selector = TOP
    needs_head: bool = False
    fusion: Fusion = Fusion()


def selector_of(strategy: Strategy, options: SelectConfig) -> Selector:
    """What chooses the rows: the strategy's selector, or the construction asked for.

    Args:
      strategy: whose query.
      options: its diversity, where given, names the construction.

    Raises:
      UserError: constructions choose by scores, and the strategy has none.
    """
    scores = strategy.score is not score_nothing
    if options.diversity is not None and not scores:
        reason = f"{strategy.name} scores no rows and chooses them together"
        remedy = f"{reason}; leave the option out"
        raise UserError("--select.diversity", options.diversity, remedy)
    if not scores and strategy.select in CONSTRUCTIONS.values():
        remedy = "give it a score, or a Selector that chooses rows together"
        raise UserError("query strategy scores no rows", strategy.name, remedy)
    return CONSTRUCTIONS[options.diversity] if options.diversity else strategy.select


def columns_needed(strategy: Strategy, options: SelectConfig) -> frozenset[str]:
    """Columns that a query reads: the score's and the selector's.

    Args:
      strategy: whose query.
      options: see `selector_of`.

    Returns:
      Names of columns of the pool.

    Raises:
      UserError: see `selector_of`.
    """
    return strategy.needs | selector_of(strategy, options).needs


def query(key: Key, strategy: Strategy, view: PoolView, ask: Ask) -> Query:
    """Ask a strategy which candidates to label.

    Args:
      key: equal keys give equal queries.
      strategy: scores the rows, chooses them, or both.
      view: the pool, with the columns that `columns_needed` names.
      ask: how many rows, and how batches are constructed.

    Returns:
      The query: exactly the budget, distinct candidates.

    Raises:
      UserError: fewer candidates than the budget, or a mistake of the strategy: see
        `checks`.

    Source: eq. 5 and Algorithm 1.
    """
    num_candidates = int(np.count_nonzero(view.candidates))
    if ask.budget > num_candidates:
        remedy = f"only {num_candidates} rows can still be asked; ask for no more"
        raise UserError("--budget", ask.budget, remedy)
    # In three, as queries that are on record were drawn.
    _, k_score, k_select = jax.random.split(key, 3)
    scores, ranks, total = score_pool(k_score, strategy, view)
    selector = selector_of(strategy, ask.options)
    seen = checks.with_columns(view, selector.needs, strategy.name, "Selector.needs")
    read, kind = (scores, "score") if scores else (seen.columns, "column")
    checks.finite(read, view.candidates, strategy.name, kind)
    chosen = selector.select(k_select, seen, total, ask)
    indices = checks.answer(chosen, view.candidates, ask.budget, strategy.name)
    return Query(indices, scores, ranks, total)


def in_pool(query: Query, rows: np.ndarray, num_rows: int) -> Query:
    """A query of some rows as one of the pool that they are from.

    Args:
      query: of m rows.
      rows: int [m], their places in the pool, ascending.
      num_rows: n, of the pool; scores of its other rows are NaN.
    """
    if len(rows) == num_rows:
        return query

    def over(values: np.ndarray) -> np.ndarray:
        whole = np.full(num_rows, np.nan, values.dtype)
        whole[rows] = values
        return whole

    scores, ranks = (
        {name: over(values) for name, values in found.items()}
        for found in (query.scores, query.ranks)
    )
    indices = rows[query.indices].astype(query.indices.dtype)
    return Query(indices, scores, ranks, over(query.total))


def score_pool(
    key: Key, strategy: Strategy, view: PoolView
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Score all rows of a pool.

    Args:
      key: of the strategy's random numbers.
      strategy: whose score.
      view: the pool, with the columns that the strategy needs.

    Returns:
      Raw scores and their ranks over the candidates, by name, and the total that rows
      are ordered by, float32 [n] each. The total is what `fusion` makes of the ranks
      where there are several scores, the score itself where there is one, zeros where
      there are none.

    Raises:
      UserError: the score reads or returns what it may not.

    Source: eq. 5.
    """
    seen = _seen(strategy, view)
    streamed = any(isinstance(column, Streamed) for column in seen.columns.values())
    sharing = None if streamed else _sharing(strategy, seen)
    if streamed or sharing:
        if sharing:
            found = _score_shares(sharing, strategy, key, seen)
        else:
            found = _score_chunks(strategy, key, seen)
        ranks, total = jax.device_get(
            _rank_all(strategy.fusion, (*found,), (*found.values(),), seen.candidates)
        )
        return found, ranks, total
    scores, ranks, total = jax.device_get(
        _score(strategy.score, strategy.name, strategy.fusion, key, seen)
    )
    return scores, ranks, total


def check_scores(strategy: Strategy, view: PoolView) -> None:
    """Refuse a strategy whose score has a mistake, before anything is trained.

    Nothing is computed: the score is traced.

    Args:
      strategy: whose score.
      view: the pool or its shapes, as `abstract_view` makes them.

    Raises:
      UserError: the score reads a column outside its needs; it returns something else
        than a dict of float [n]; one of its names is reserved.
    """
    of = (strategy.score, strategy.name, strategy.fusion)
    traced = functools.partial(_score, *of)
    jax.eval_shape(traced, jax.random.key(0), _seen(strategy, view))


def abstract_view(
    columns: Mapping[str, jax.ShapeDtypeStruct],
    head: tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct] | None = None,
) -> PoolView:
    """The shapes of a pool, for `check_scores`.

    Args:
      columns: name -> shape [n, ...], as `jax.eval_shape` of a learner's readout gives
        them; at least one.
      head: shapes of the classifier on the latents.
    """
    num_rows = next(iter(columns.values())).shape[0]

    def row_wise(dtype: type) -> Any:
        return struct((num_rows,), dtype)

    return PoolView(
        ids=row_wise(np.uint32),
        labeled=row_wise(np.bool_),
        candidates=row_wise(np.bool_),
        labels=row_wise(np.int32),
        columns=dict(columns),
        head=head,  # type: ignore[arg-type]
    )


def _seen(strategy: Strategy, view: PoolView) -> PoolView:
    return checks.with_columns(view, strategy.needs, strategy.name, "Strategy.needs")


@functools.partial(jax.jit, static_argnames=("score", "name", "fusion"))
def _score(
    score: Score, name: str, fusion: Fusion, key: Key, view: PoolView
) -> tuple[Scores, Scores, jax.Array]:
    """Raw scores, their ranks over the candidates, and what rows are ordered by."""
    scores = _raw(score, name, key, view)
    if not scores:
        return scores, {}, jnp.zeros(view.ids.shape)
    return scores, *_rank(fusion, scores, view.candidates)


def _raw(score: Score, name: str, key: Key, view: PoolView) -> Scores:
    scores = score(key, view)
    if score is not score_nothing:
        checks.scores(scores, name, view.ids.shape[0])
    return scores


def _rank(fusion: Fusion, scores: Scores, mask: Any) -> tuple[Scores, jax.Array]:
    ranks = {name: selection.rank(s, mask) for name, s in scores.items()}
    if len(scores) == 1:
        (total,) = scores.values()
        return ranks, total
    return ranks, selection.fuse(list(ranks.values()), mask, fusion)


@functools.partial(jax.jit, static_argnames=("fusion", "names"))
def _rank_all(
    fusion: Fusion, names: tuple[str, ...], scores: tuple[Any, ...], mask: Any
) -> tuple[Scores, jax.Array]:
    # By names of their own: JAX hands a dict on in the order of the alphabet, and
    # weights are in that of the scores.
    found = {n: jnp.asarray(each) for n, each in zip(names, scores, strict=True)}
    return _rank(fusion, found, mask)


_score_rows = functools.partial(jax.jit, static_argnames=("score", "name"))(_raw)


def _names(strategy: Strategy, key: Key, view: PoolView) -> list[str]:
    """Of the scores, in their order: JAX hands a dict on in that of the alphabet."""
    names = list[str]()

    def ordered(view: PoolView) -> None:
        names.extend(_raw(strategy.score, strategy.name, key, view))

    jax.eval_shape(ordered, _seen(strategy, view.take(slice(0, _CHUNK_ROWS))))
    return names


def _sharing(strategy: Strategy, view: PoolView) -> Team | None:
    """Devices that score a part of the pool each; None: one scores all."""
    if strategy.score is score_nothing:
        return None
    worth = [shares.worth(view.team, each) for each in view.columns.values()]
    return view.team if any(worth) else None


def _score_shares(
    team: Team, strategy: Strategy, key: Key, view: PoolView
) -> dict[str, np.ndarray]:
    """Raw scores of a pool, each device those of some rows; [n] each, in order."""
    columns = tuple(view.columns)
    rows = (view.ids, view.labeled, view.candidates, view.labels)
    found = shares.run(
        team, _scores_of_share, (*rows, *view.columns.values()), (key, view.head),
        score=strategy.score, name=strategy.name, columns=columns,
    )  # fmt: skip
    names = _names(strategy, key, view)
    return {name: np.asarray(found[name])[: len(view.ids)] for name in names}


def _scores_of_share(
    rows: tuple[Any, ...],
    alike: tuple[Key, Any],
    *,
    axis: str | None,
    score: Score,
    name: str,
    columns: tuple[str, ...],
) -> Scores:
    key, head = alike
    ids, labeled, candidates, labels, *values = rows
    seen = dict(zip(columns, values, strict=True))
    view = PoolView(ids, labeled, candidates, labels, seen, head)
    view = checks.with_columns(view, frozenset(columns), name, "Strategy.needs")
    scores = _raw(score, name, key, view)
    return {name: shares.joined(each, axis) for name, each in scores.items()}


def _score_chunks(
    strategy: Strategy, key: Key, view: PoolView
) -> dict[str, np.ndarray]:
    """Raw scores of a pool with columns that are read by rows; [n] each, in order."""
    num, parts = len(view.ids), list[dict[str, np.ndarray]]()
    names = _names(strategy, key, view)
    for first in range(0, num, _CHUNK_ROWS):
        # Chunks of one shape compile once: the last one begins earlier.
        rows = slice(max(0, min(first, num - _CHUNK_ROWS)), first + _CHUNK_ROWS)
        seen = _seen(strategy, view.take(rows))
        scores = _score_rows(strategy.score, strategy.name, key, seen)
        fresh = slice(first - rows.start, None)
        parts.append({k: np.asarray(v)[fresh] for k, v in scores.items()})
    return {name: np.concatenate([p[name] for p in parts]) for name in names}
