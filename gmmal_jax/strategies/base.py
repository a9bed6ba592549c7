"""What a query strategy is, and how one turns a pool into a query."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import selection
from gmmal_jax.config import SelectConfig
from gmmal_jax.errors import UserError
from gmmal_jax.types import Key, PoolView, PyTree, Query

Score = Callable[[Key, PoolView, PyTree], dict[str, jax.Array]]
Fit = Callable[[Key, PoolView], PyTree]


def fit_nothing(key: Key, view: PoolView) -> PyTree:
    """The fit of strategies that score rows without looking at the pool first.

    Args:
      key: unused.
      view: unused.

    Returns:
      An empty pytree.
    """
    del key, view
    return ()


class Strategy(NamedTuple):
    """How to decide what is asked next.

    Attributes:
      name: what reports call it.
      needs: columns of the pool that `score` and `fit` may read; they see no others.
      score: (key, view, aux) -> name -> [n], higher = ask first; traced. Row i depends
        on row i, aux and fold_in(key, ids[i]) only, so rows may be scored in chunks.
      fit: (key, view) -> aux, whatever `score` must know of the whole pool; host.
      diversity: batch construction where the configuration leaves it open.
    """

    name: str
    needs: frozenset[str]
    score: Score
    fit: Fit = fit_nothing
    diversity: selection.Diversity = "none"


def columns_needed(strategy: Strategy, select: SelectConfig) -> frozenset[str]:
    """Columns that a query reads: the strategy's and the batch construction's.

    Args:
      strategy: whose query.
      select: its diversity, where given, replaces the strategy's.

    Returns:
      Names of columns of the pool.
    """
    diversity = select.diversity or strategy.diversity
    extra = {
        "none": set(),
        "balance": {"logits"},
        "kmeans": {"latents"},
        "balance_kmeans": {"latents", "logits"},
    }
    return strategy.needs | extra[diversity]


def query(
    key: Key,
    strategy: Strategy,
    view: PoolView,
    budget: int,
    num_classes: int,
    select: SelectConfig,
) -> Query:
    """Ask a strategy which candidates to label.

    Args:
      key: equal keys give equal queries.
      strategy: its score must be the same function in every cycle, or it compiles
        again.
      view: the pool, with the columns that `columns_needed` names.
      budget: rows to choose.
      num_classes: c.
      select: the batch construction.

    Returns:
      The query. Its total is the sum of the ranks where there are several scores, and
      the score itself where there is one.

    Raises:
      UserError: fewer candidates than the budget.

    Source: eq. 5 and Algorithm 1; pseudo-labels are the classifier's (ours, A26).
    """
    num_candidates = int(np.count_nonzero(view.candidates))
    if budget > num_candidates:
        remedy = f"only {num_candidates} rows can still be asked; ask for no more"
        raise UserError("--budget", budget, remedy)
    k_fit, k_score, k_choose = jax.random.split(key, 3)
    seen = view._replace(columns={name: view.columns[name] for name in strategy.needs})
    aux = strategy.fit(k_fit, seen)
    scores, ranks, total = jax.device_get(_score(strategy.score, k_score, seen, aux))
    columns = columns_needed(strategy, select)
    logits = view.columns["logits"] if "logits" in columns else None
    indices = selection.choose(
        k_choose,
        total,
        view.candidates,
        ids=view.ids,
        latents=view.columns["latents"] if "latents" in columns else None,
        pseudo_labels=None if logits is None else np.argmax(logits, axis=1),
        labeled_counts=np.bincount(view.labels[view.labeled], minlength=num_classes),
        num_classes=num_classes,
        budget=budget,
        diversity=select.diversity or strategy.diversity,
        candidate_factor=select.candidate_factor,
        quota=select.quota,
        pick=select.pick,
    )
    return Query(indices, scores, ranks, total)


@functools.partial(jax.jit, static_argnames="score")
def _score(
    score: Score, key: Key, view: PoolView, aux: PyTree
) -> tuple[dict[str, jax.Array], dict[str, jax.Array], jax.Array]:
    """Raw scores, their ranks over the candidates, and what rows are ordered by."""
    scores = score(key, view, aux)
    ranks = {name: selection.rank(s, view.candidates) for name, s in scores.items()}
    fused = ranks if len(ranks) > 1 else scores
    return scores, ranks, functools.reduce(jnp.add, fused.values())
