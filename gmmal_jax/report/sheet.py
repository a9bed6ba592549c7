"""A contact sheet: pictures that were chosen, most wanted first."""

import io
from collections.abc import Sequence
from pathlib import Path

from gmmal_jax.storage import files

SIDE, COLUMNS, MOST = 112, 10, 100
"""Pixels of a picture's side, pictures a line, pictures in all."""
_TEXT, _GAP = 14, 6


def write(paths: Sequence[Path], captions: Sequence[str], file: Path) -> int:
    """Write a PNG of the first `MOST` pictures.

    Args:
      paths: of the pictures; one that cannot be read leaves its place empty.
      captions: below them.
      file: the PNG's.

    Returns:
      How many pictures are on it.
    """
    from PIL import Image, ImageDraw, ImageOps

    shown = list(zip(paths, captions, strict=True))[:MOST]
    lines, step = -(-len(shown) // COLUMNS), SIDE + _GAP
    size = (COLUMNS * step + _GAP, lines * (step + _TEXT) + _GAP)
    sheet = Image.new("RGB", size, "white")
    pen, drawn = ImageDraw.Draw(sheet), 0
    for place, (path, caption) in enumerate(shown):
        x = _GAP + place % COLUMNS * step
        y = _GAP + place // COLUMNS * (step + _TEXT)
        try:
            with Image.open(path) as picture:
                small = ImageOps.contain(picture.convert("RGB"), (SIDE, SIDE))
            sheet.paste(small, (x + (SIDE - small.width) // 2, y + SIDE - small.height))
            drawn += 1
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            pen.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), outline="#bbbbbb")
        pen.text((x, y + SIDE + 1), caption[:18], fill="#303030")
    buffer = io.BytesIO()
    sheet.save(buffer, "png")
    files.write_atomic(file, buffer.getvalue())
    return drawn
