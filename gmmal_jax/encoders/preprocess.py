"""Pictures brought to an encoder's size; runs in the processes that decode."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.data.sources import decode
from gmmal_jax.encoders.base import Form

Batch = Sequence[Path] | np.ndarray
"""Files, or uint8 [m, h, w] or [m, h, w, 1 or 3]."""


class Decoded(NamedTuple):
    """A batch of pictures.

    Attributes:
      pixels: uint8 [m, size, size, 3]; black where there is none.
      bad: place in the batch -> why it cannot be read.
    """

    pixels: np.ndarray
    bad: dict[int, str]


def read(batch: Batch, form: Form) -> Decoded:
    """Decode a batch, and bring each picture to the encoder's size."""
    from PIL import Image

    pixels = np.zeros((len(batch), form.size, form.size, 3), np.uint8)
    bad: dict[int, str] = {}
    decoder = partial(_decode, form=form)
    for place, each in enumerate(batch):
        if isinstance(each, np.ndarray):
            plain = each[..., 0] if each.shape[-1] == 1 and each.ndim == 3 else each
            pixels[place] = square(Image.fromarray(plain).convert("RGB"), form)
            continue
        reasons: dict[Path, str] = {}
        array = decode.attempt(decoder, each, reasons)
        if array is None:
            bad[place] = reasons[each]
        else:
            pixels[place] = array
    return Decoded(pixels, bad)


def square(picture: Any, form: Form) -> np.ndarray:
    """The centered square of a picture, resized: uint8 [size, size, 3].

    The square is `crop` of the shorter side and is resized in one step, which is to
    scale the shorter side to size / crop and cut the center out, without rounding
    between the two. The filter is Pillow's, antialiasing where it makes smaller.
    """
    from PIL import Image

    width, height = picture.size
    side = form.crop * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    method = Image.Resampling[form.interpolation.upper()]
    box = (left, top, left + side, top + side)
    return np.asarray(picture.resize((form.size, form.size), method, box))


def normalize(pixels: np.ndarray, form: Form) -> np.ndarray:
    """Uint8 [m, h, w, 3] to float32 [m, 3, h, w], normalized."""
    scaled = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
    scaled /= np.float32(255)
    scaled -= np.asarray(form.mean, np.float32)[:, None, None]
    scaled /= np.asarray(form.std, np.float32)[:, None, None]
    return scaled


def _decode(path: Path, source: decode.Source, form: Form) -> np.ndarray:
    return square(decode.upright(path, source, gray=False), form)
