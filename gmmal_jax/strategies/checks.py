"""What a strategy may get wrong: each mistake is one line that names the strategy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.types import PoolView

RESERVED = frozenset(
    "seed cycle rank index id label pseudo_label total".split()  # a query's record
)
"""Names that no score may have, nor any that starts with `rank_`."""
_SHOWN = 5
"""Rows that a message names at most."""
_Form = tuple[tuple[str, ...], str, str]
"""Names of columns, strategy, where the strategy names what it needs."""


@jax.tree_util.register_pytree_with_keys_class
class _Columns(dict[str, Any]):
    """Columns by name; one that was not named beforehand is refused in one line.

    A pytree, so that a score may hand its view to functions that are jitted.
    """

    def __init__(self, columns: dict[str, Any], strategy: str, needs: str) -> None:
        super().__init__(columns)
        self.strategy, self.needs = strategy, needs

    def __missing__(self, name: str) -> Any:
        what = f"query strategy {self.strategy} reads a column outside its needs"
        raise UserError(what, name, f"add it to {self.needs}")

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], _Form]:
        children = [(jax.tree_util.DictKey(name), self[name]) for name in sorted(self)]
        return children, (tuple(sorted(self)), self.strategy, self.needs)

    @classmethod
    def tree_unflatten(cls, form: _Form, children: Any) -> "_Columns":
        names, strategy, needs = form
        return cls(dict(zip(names, children, strict=True)), strategy, needs)


def with_columns(
    view: PoolView, names: frozenset[str], strategy: str, needs: str
) -> PoolView:
    """The pool as one who named these columns sees it.

    Args:
      view: the pool, or its shapes.
      names: of columns.
      strategy: its name, for messages.
      needs: the field that lists the columns, for messages.

    Returns:
      The view with these columns; reading another one raises a UserError.

    Raises:
      UserError: the pool lacks a column.
    """
    missing = sorted(names - view.columns.keys())
    if missing:
        what = f"query strategy {strategy} needs columns that the learner does not give"
        raise UserError(what, missing, "choose another --learn, or another --query")
    columns = {name: view.columns[name] for name in names}
    return view._replace(columns=_Columns(columns, strategy, needs))


def scores(found: Any, strategy: str, num_rows: int) -> None:
    """Refuse scores of a wrong form; works on arrays, tracers and shapes.

    Args:
      found: what a score returned.
      strategy: its name.
      num_rows: n.

    Raises:
      UserError: not a dict of float [n] by names that are free, or none at all.
    """
    who = f"query strategy {strategy}"
    if not isinstance(found, dict):
        remedy = "return a dict: the name of the score -> an array [n]"
        raise UserError(
            f"{who}: its score returns no dict", type(found).__name__, remedy
        )
    if not found:
        remedy = "return at least one score, or leave `score` out and give a Selector"
        raise UserError(f"{who}: its score returns an empty dict", None, remedy)
    for name, values in found.items():
        _free(name, who)
        _row_wise(values, f"{who}: score {name}", num_rows)


def _free(name: Any, who: str) -> None:
    if not isinstance(name, str):
        raise UserError(f"{who}: name of a score", name, "let it be a string")
    if name in RESERVED or name.startswith("rank_"):
        names = ", ".join(sorted(RESERVED))
        remedy = f"records use {names} and rank_*; choose another name"
        raise UserError(f"{who}: name of a score is taken", name, remedy)


def _row_wise(values: Any, what: str, num_rows: int) -> None:
    if not hasattr(values, "shape") or not hasattr(values, "dtype"):
        raise UserError(
            f"{what} is no array", type(values).__name__, "return float [n]"
        )
    if tuple(values.shape) != (num_rows,):
        remedy = f"one number a row is wanted: [{num_rows}]"
        raise UserError(f"{what} has a wrong shape", list(values.shape), remedy)
    if not jnp.issubdtype(values.dtype, jnp.floating):
        remedy = "convert it to float32"
        raise UserError(f"{what} is not of floats", str(values.dtype), remedy)


def finite(
    found: dict[str, np.ndarray], candidates: np.ndarray, strategy: str, kind: str
) -> None:
    """Refuse numbers that say nothing: rows would be chosen at random, silently.

    Args:
      found: name -> [n] or [n, ...]. Some rows may break down; they are asked last.
      candidates: bool [n], at least one.
      strategy: its name.
      kind: score or column, for messages.

    Raises:
      UserError: one of them is finite for no candidate.
    """
    for name, values in found.items():
        rows = np.asarray(values)[candidates]
        if not np.isfinite(rows).reshape(len(rows), -1).all(axis=1).any():
            what = (
                f"query strategy {strategy}: {kind} {name} is finite for no candidate"
            )
            remedy = "see where it is computed; a network may have diverged"
            raise UserError(what, rows.ravel()[:_SHOWN].tolist(), remedy)


def answer(
    indices: Any, candidates: np.ndarray, budget: int, strategy: str
) -> np.ndarray:
    """Refuse rows that are not a query.

    Args:
      indices: what a selector returned.
      candidates: bool [n].
      budget: rows wanted.
      strategy: its name.

    Returns:
      int32 [budget], distinct candidates.

    Raises:
      UserError: of another form or number, outside the pool, twice, no candidates.
    """
    what = f"query strategy {strategy}: its selector"
    rows = np.asarray(indices)
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        remedy = "return the numbers of rows, int [budget]"
        shown = f"{rows.dtype}{list(rows.shape)}"
        raise UserError(f"{what} chooses no rows", shown, remedy)
    if len(rows) != budget:
        remedy = f"exactly {budget} are wanted, see Ask.budget"
        raise UserError(f"{what} chooses another number of rows", len(rows), remedy)
    ordered = np.sort(rows)
    _none(ordered[1:][ordered[1:] == ordered[:-1]], f"{what} chooses rows twice")
    outside = (rows < 0) | (rows >= len(candidates))
    _none(rows[outside], f"{what} chooses rows outside the pool")
    _none(rows[~candidates[rows]], f"{what} chooses rows that may not be asked")
    return rows.astype(np.int32)


def _none(rows: np.ndarray, what: str) -> None:
    if len(rows):
        remedy = "choose distinct rows among view.candidates"
        raise UserError(what, rows[:_SHOWN].tolist(), remedy)
