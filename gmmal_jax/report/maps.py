"""Maps of the latents for a page: points in the plane, by group and class."""

from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.report import figures, plane
from gmmal_jax.report.arms import Arm
from gmmal_jax.storage import records

MAX_POINTS = 800
SIDE = 400
_MARGIN = 10
BEFORE, AFTER = "before stage 2", "after stage 2"
_ORDER = ("unlabeled", "labeled", "chosen")
"""What the reader looks for lies on top."""


class Dots(NamedTuple):
    """Points that look alike.

    Attributes:
      group: labeled, unlabeled or chosen.
      label: their class.
      bought: whether that is a label, not the classifier's guess.
      path: a line of no length for each: round ends make them dots.
    """

    group: str
    label: int
    bought: bool
    path: str


class Map(NamedTuple):
    """The latents of one query.

    Attributes:
      method: the arm.
      seed: its first one that has asked.
      labeled: labels trained on.
      moment: of its cycle, where there are two maps; "" otherwise.
      counts: group -> points drawn.
      dots: what is drawn, the top last.
      lost: why nothing is; "" otherwise.
    """

    method: str
    seed: int
    labeled: int
    moment: str
    counts: dict[str, int]
    dots: list[Dots]
    lost: str = ""


def of_last_query(arm: Arm) -> list[Map]:
    """The maps of an arm's last query, of its first seed; none of no query yet.

    One of a cycle's end, and before it one of the end of its first stage where a later
    one has moved the latents: of the same rows, each in a plane of its own.
    """
    asked = [r for r in arm.cycles[min(arm.cycles)] if r.queries]
    if not asked:
        return []
    record = asked[-1]
    empty = Map(arm.label, record.seed, int(record.results["labeled"]), "", {}, [])
    folder = arm.runs[record.seed].folder
    try:
        return _drawn(empty, records.load_arrays(folder, record.seed, record.cycle))
    except (UserError, KeyError, IndexError) as error:  # of another program's arrays
        return [empty._replace(lost=str(error))]


def _drawn(empty: Map, kept: dict[str, np.ndarray]) -> list[Map]:
    latents, rows = kept["latents"], kept.get("before_rows")
    if rows is None:
        return [_map(empty, latents, _looks(kept, np.arange(len(latents))))]
    looks = _looks(kept, rows)
    return [
        _map(empty._replace(moment=BEFORE), kept["before"], looks),
        _map(empty._replace(moment=AFTER), latents[rows], looks),
    ]


class _Looks(NamedTuple):
    """How points look.

    Attributes:
      places: int [p], which points are drawn, ascending.
      groups: of these.
      labels: int [p].
      bought: bool [p].
    """

    places: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    bought: np.ndarray


def _looks(kept: dict[str, np.ndarray], rows: np.ndarray) -> _Looks:
    """Of some rows of what a run keeps, thinned."""
    names = np.asarray(figures.GROUP_NAMES)[kept["group"][rows]]
    bought = kept.get("bought", np.ones(len(kept["label"]), bool))[rows]
    places = figures.thin(names, MAX_POINTS)
    return _Looks(places, names[places], kept["label"][rows][places], bought[places])


def _map(empty: Map, latents: np.ndarray, looks: _Looks) -> Map:
    try:
        points = _fitted(_embedded(latents[looks.places]))
    except UserError as error:
        return empty._replace(lost=str(error))
    _, names, labels, bought = looks
    alike = sorted(
        {*zip(names.tolist(), labels.tolist(), bought.tolist(), strict=True)},
        key=lambda look: (_ORDER.index(look[0]), look[1:]),
    )
    dots = [
        Dots(*look, _dotted(points[_is(names, labels, bought, *look)]))
        for look in alike
    ]
    counts = {name: int((names == name).sum()) for name in _ORDER}
    return empty._replace(counts=counts, dots=dots)


def _embedded(latents: np.ndarray) -> np.ndarray:
    """By one thread: more that wait for a busy core take ten times as long here."""
    import sklearn.manifold  # noqa: F401  its threads are known once it is there
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        return plane.embed(latents)


def _is(
    names: np.ndarray,
    labels: np.ndarray,
    bought: np.ndarray,
    name: str,
    label: int,
    known: bool,
) -> np.ndarray:
    """Which points look so, bool [m]."""
    same: np.ndarray = (names == name) & (labels == label) & (bought == known)
    return same


def _fitted(points: np.ndarray) -> np.ndarray:
    """In the drawing's units, both directions alike, whole numbers."""
    low, high = points.min(axis=0), points.max(axis=0)
    factor = (SIDE - 2 * _MARGIN) / max(float((high - low).max()), 1e-9)
    centered = (points - (low + high) / 2) * factor + SIDE / 2
    fitted: np.ndarray = np.rint(centered).astype(int)
    return fitted


def _dotted(points: np.ndarray) -> str:
    return "".join(f"M{x} {y}h0" for x, y in points.tolist())
