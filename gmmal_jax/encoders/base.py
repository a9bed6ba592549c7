"""What an encoder is: how a picture becomes its input, and what it makes of a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError, unknown

BATCH = 32
"""Pictures a batch: always as many, so that no row depends on what is read with it."""
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
LARGEST = 4096
"""Side in pixels, at most."""


class Form(NamedTuple):
    """How a picture becomes an encoder's input.

    Attributes:
      size: side in pixels.
      interpolation: one of `INTERPOLATIONS`.
      crop: share of the shorter side that the centered square keeps.
      mean: [3], of pixels scaled to [0, 1].
      std: [3], likewise.
    """

    size: int
    interpolation: str
    crop: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Wanted(NamedTuple):
    """What a person wants otherwise than the encoder has it; None: as it has it."""

    size: int | None = None
    crop: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


class Encoder(NamedTuple):
    """Pictures -> features.

    Attributes:
      name: of the weights, as they call themselves.
      sha256: of the weights.
      trained_on: the data set that they were trained on; None: it is not said.
      runtime: what computes, with its version: others round otherwise.
      form: of a picture.
      batch: pictures a call, always as many.
      width: d.
      run: float32 [batch, 3, size, size] -> float32 [batch, d].
    """

    name: str
    sha256: str
    trained_on: str | None
    runtime: str
    form: Form
    batch: int
    width: int
    run: Callable[[np.ndarray], np.ndarray]


def form(name: str, given: dict[str, Any], wanted: Wanted) -> Form:
    """The form that an encoder brings, with what is wanted otherwise.

    Args:
      name: of the encoder, for errors.
      given: fields of `Form` that it brings; interpolation is bicubic and crop 1
        where it says nothing.
      wanted: wins.

    Raises:
      UserError: a field that neither says, or one that is impossible.
    """
    fields: dict[str, Any] = {"interpolation": "bicubic", "crop": 1.0} | given
    fields |= {k: v for k, v in wanted._asdict().items() if v is not None}
    for field in Form._fields:
        if field not in fields:
            remedy = f"give it with --{field}"
            raise UserError(f"--encoder: {name} does not say its {field}", None, remedy)
    made = Form(**fields)
    _check(name, made)
    return made


def _check(name: str, form: Form) -> None:
    if form.interpolation not in INTERPOLATIONS:
        what = f"--encoder: {name}: interpolation"
        raise unknown(what, form.interpolation, INTERPOLATIONS)
    bounds = {
        "size": (1 <= form.size <= LARGEST, f"1 to {LARGEST}"),
        "crop": (0 < form.crop <= 1, "a share in (0, 1]"),
        "mean": (len(form.mean) == 3 and np.isfinite(form.mean).all(), "three numbers"),
        "std": (
            len(form.std) == 3 and np.isfinite(form.std).all() and min(form.std) > 0,
            "three numbers above 0",
        ),
    }
    for field, (well, use) in bounds.items():
        if not well:
            value = getattr(form, field)
            raise UserError(f"--encoder: {name}: {field}", value, f"use {use}")


def width_of(
    name: str, run: Callable[[np.ndarray], np.ndarray], batch: int, size: int
) -> int:
    """How many numbers a picture becomes, by a batch of black ones.

    Raises:
      UserError: it takes no pictures of that size, or does not give [n, d].
    """
    try:
        found = run(np.zeros((batch, 3, size, size), np.float32)).shape
    except Exception as error:  # of the runtime's many kinds
        reason = str(error).split("\n")[0]
        remedy = f"choose another with --size ({reason})"
        what = f"--encoder: {name} cannot run on pictures of size"
        raise UserError(what, size, remedy) from None
    if len(found) == 2 and found[0] == batch and found[1] > 0:
        return int(found[1])
    shape = ", ".join(map(str, ("n", *found[1:]) if found[:1] == (batch,) else found))
    remedy = "export it with its pooling, without what comes after"
    what = f"--encoder: {name} gives [{shape}] where an encoder gives [n, d]"
    raise UserError(what, None, remedy)
