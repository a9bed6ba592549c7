"""Maps of the latents for a page: points in the plane, by group and class."""

from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.report import figures, plane
from gmmal_jax.report.arms import Arm
from gmmal_jax.storage import records

MAX_POINTS = 800
SIDE = 400
LEVELS = 5
"""Colors of a number: each stands for as many points."""
_MARGIN = 10
_KINDS = ("column/log_likelihood", "score/")
"""What points are colored by, of all numbers that are kept."""
_DRAWN = "score/random"
"""Tells nothing of a point."""
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


class Shaded(NamedTuple):
    """Points of one color of a number.

    Attributes:
      group: labeled, unlabeled or chosen.
      level: 0 for the lowest numbers, up to `LEVELS` - 1.
      path: see `Dots`.
    """

    group: str
    level: int
    path: str


class Shade(NamedTuple):
    """A map's points, colored by a number.

    Attributes:
      name: of the number, in words.
      low: the least of it.
      high: the most.
      dots: what is drawn, the top last; points without the number are not.
    """

    name: str
    low: float
    high: float
    dots: list[Shaded]


class Map(NamedTuple):
    """The latents of one query.

    Attributes:
      method: the arm.
      seed: its first one that has asked.
      labeled: labels trained on.
      moment: of its cycle, where there are two maps; "" otherwise.
      counts: group -> points drawn.
      dots: what is drawn, the top last.
      shades: the same points by likelihoods and scores, of a cycle's end.
      lost: why nothing is; "" otherwise.
    """

    method: str
    seed: int
    labeled: int
    moment: str
    counts: dict[str, int]
    dots: list[Dots]
    shades: list[Shade]
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
    empty = Map(arm.label, record.seed, int(record.results["labeled"]), "", {}, [], [])
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
        # The numbers are of the cycle's end.
        _map(empty._replace(moment=BEFORE), kept["before"], looks._replace(numbers={})),
        _map(empty._replace(moment=AFTER), latents[rows], looks),
    ]


class _Looks(NamedTuple):
    """How points look.

    Attributes:
      places: int [p], which points are drawn, ascending.
      groups: of these.
      labels: int [p].
      bought: bool [p].
      numbers: name in words -> float [p], NaN where a point has none.
    """

    places: np.ndarray
    groups: np.ndarray
    labels: np.ndarray
    bought: np.ndarray
    numbers: dict[str, np.ndarray]


def _looks(kept: dict[str, np.ndarray], rows: np.ndarray) -> _Looks:
    """Of some rows of what a run keeps, thinned."""
    names = np.asarray(figures.GROUP_NAMES)[kept["group"][rows]]
    bought = kept.get("bought", np.ones(len(kept["label"]), bool))[rows]
    places = figures.thin(names, MAX_POINTS)
    numbers = {
        name.partition("/")[2].replace("_", " "): values[rows][places]
        for name, values in kept.items()
        if name.startswith(_KINDS) and name != _DRAWN
    }
    labels = kept["label"][rows][places]
    return _Looks(places, names[places], labels, bought[places], numbers)


def _map(empty: Map, latents: np.ndarray, looks: _Looks) -> Map:
    try:
        points = _fitted(_embedded(latents[looks.places]))
    except UserError as error:
        return empty._replace(lost=str(error))
    _, names, labels, bought, numbers = looks
    alike = sorted(
        {*zip(names.tolist(), labels.tolist(), bought.tolist(), strict=True)},
        key=lambda look: (_ORDER.index(look[0]), look[1:]),
    )
    dots = [
        Dots(*look, _dotted(points[_is(names, labels, bought, *look)]))
        for look in alike
    ]
    counts = {name: int((names == name).sum()) for name in _ORDER}
    shades = [_shade(name, own, names, points) for name, own in numbers.items()]
    shown = [shade for shade in shades if shade.dots]
    return empty._replace(counts=counts, dots=dots, shades=shown)


def _shade(
    name: str, values: np.ndarray, groups: np.ndarray, points: np.ndarray
) -> Shade:
    """By fifths of the points, as one far out would leave the others one color."""
    known = np.isfinite(values)
    if not known.any():
        return Shade(name, 0.0, 0.0, [])
    values, groups, points = values[known], groups[known], points[known]
    ends = np.quantile(values, np.arange(1, LEVELS) / LEVELS)
    levels = np.searchsorted(ends, values, side="left")
    dots = [
        Shaded(group, level, _dotted(points[own]))
        for group in _ORDER
        for level in range(LEVELS)
        if (own := (groups == group) & (levels == level)).any()
    ]
    return Shade(name, float(values.min()), float(values.max()), dots)


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
