"""The pictures that were asked for, small, as text that a page can hold."""

import base64
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.report.arms import Arm
from gmmal_jax.report.runs import Run
from gmmal_jax.storage.records import Row

SIDE = 48
"""Pixels of the longer side, at most."""
MOST, IN_A_CYCLE = 400, 20
"""Pictures of a page, and of one query."""


class Thumbnail(NamedTuple):
    """A picture that was asked for.

    Attributes:
      uri: a PNG.
      rank: from 1, most wanted first.
      label: name of its class.
      text: its row of the data set, and its rank by each score in (0, 1].
    """

    uri: str
    rank: int
    label: str
    text: str


class Asked(NamedTuple):
    """A query.

    Attributes:
      labeled: labels trained on before.
      chosen: how many rows were.
      shown: the first of them.
    """

    labeled: int
    chosen: int
    shown: list[Thumbnail]


class Strip(NamedTuple):
    """The queries of an arm's first seed.

    Attributes:
      method: the arm.
      seed: that one.
      asked: cycle by cycle.
      lost: why no picture is there; "" otherwise.
    """

    method: str
    seed: int
    asked: list[Asked]
    lost: str = ""


def strips(arms: Sequence[Arm]) -> list[Strip]:
    """The queries of all arms, few enough of each for a small page.

    Args:
      arms: of one task: their data set is read once.
    """
    seeds = [(arm, min(arm.cycles)) for arm in arms]
    cycles = sum(bool(r.queries) for arm, seed in seeds for r in arm.cycles[seed])
    each = max(1, min(IN_A_CYCLE, MOST // max(1, cycles)))
    images, lost = _images(seeds[0][0].runs[seeds[0][1]])
    return [_strip(arm, seed, images, each, lost) for arm, seed in seeds]


def uri(picture: np.ndarray) -> str:
    """A picture, [h, w, 1], [h, w, 3] or [h, w], uint8, as the address of a PNG."""
    from PIL import Image

    array = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    image = Image.fromarray(np.asarray(array, np.uint8))
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _images(run: Run) -> tuple[np.ndarray | None, str]:
    """The training pictures that a run's rows are of, or why there are none."""
    try:
        return _read(run), ""
    # Of many kinds: the reader's own, a package that is missing, a broken file.
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        return None, lines[0]


def _read(run: Run) -> np.ndarray:
    from gmmal_jax.data import sources

    name = str(run.config.get("dataset"))
    if name.startswith("features:"):
        raise UserError("rows are features, not pictures", name)
    found = sources.load(name, run.config.get("data_dir"), run.config.get("image_size"))
    if found.checksum != run.data.get("checksum"):
        raise UserError("data set changed since the run began", name)
    return found.train_images


def _strip(
    arm: Arm, seed: int, images: np.ndarray | None, each: int, lost: str
) -> Strip:
    if images is None:
        return Strip(arm.label, seed, [], lost)
    names = arm.runs[seed].data.get("classes", [])
    asked = [
        Asked(
            int(record.results["labeled"]),
            len(record.queries),
            [_thumbnail(row, images, names) for row in record.queries[:each]],
        )
        for record in arm.cycles[seed]
        if record.queries
    ]
    return Strip(arm.label, seed, asked)


def _thumbnail(row: Row, images: np.ndarray, names: Sequence[str]) -> Thumbnail:
    label = int(row["label"])
    ranks = [
        f"{name.removeprefix('rank_')} {value:.2f}"
        for name, value in row.items()
        if name.startswith("rank_")
    ]
    told = [f"row {row['id']}", *(["ranks: " + ", ".join(ranks)] if ranks else [])]
    called = names[label] if 0 <= label < len(names) else str(label)
    picture = uri(images[int(row["id"])])
    return Thumbnail(picture, int(row["rank"]) + 1, str(called), "; ".join(told))
