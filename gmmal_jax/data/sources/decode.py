"""One PNG or JPEG file: its header, its pixels, or why it cannot be read."""

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif")
FORMATS = ("PNG", "JPEG")
_PNG = b"\x89PNG\r\n\x1a\n"
_METADATA = {b"tEXt", b"zTXt", b"iTXt", b"iCCP"}
"""Chunks of a PNG that say nothing of its pixels as we read them."""
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_GRAY = ("1", "L", "LA", "I", "I;16", "I;16B")

Source = Path | io.BytesIO
"""Where a picture's bytes are: its file, or what is left of it."""


class Header(NamedTuple):
    """What a picture says of itself: [height, width], is it gray."""

    size: tuple[int, int]
    gray: bool


def attempt(
    function: Callable[[Path, Source], Any], path: Path, bad: dict[Path, str]
) -> Any:
    """The function's value; None, and a reason in `bad`, where the file is unusable."""
    from PIL import UnidentifiedImageError

    try:
        return function(path, path)
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        bad[path] = "empty file" if empty else "neither PNG nor JPEG"
    except Exception as error:  # Pillow's decoders raise whatever their parsers do
        plain = _pixels_alone(path)
        if plain is not None:
            with contextlib.suppress(Exception):
                return function(path, plain)
        strerror = getattr(error, "strerror", None)
        bad[path] = strerror or str(error).split("\n")[0] or type(error).__name__
    return None


def _pixels_alone(path: Path) -> io.BytesIO | None:
    """A PNG without texts and color profile; None: it is no whole PNG, or has none.

    Pillow refuses a picture whose metadata are larger than it likes.
    """
    content = b""
    with contextlib.suppress(OSError):  # no right to read it: known as its reason
        content = path.read_bytes() if path.is_file() else b""
    if not content.startswith(_PNG):
        return None
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(content):
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        if content[place + 4 : place + 8] not in _METADATA:
            kept.append(content[place:end])
        place = end
    plain = b"".join(kept)
    return io.BytesIO(plain) if len(plain) < len(content) else None


def _open(path: Path, source: Source) -> Any:
    import warnings

    from PIL import Image

    if path.exists() and not path.is_file():
        raise ValueError("no regular file")  # a pipe would wait for a writer
    with warnings.catch_warnings():
        # Twice the size that is only warned of is an error, and the file skipped.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source, formats=FORMATS)


def header(path: Path, source: Source) -> Header:
    """What the file says of its picture, once it is turned as EXIF says.

    Args:
      path: for errors.
      source: its bytes.
    """
    with _open(path, source) as picture:
        width, height = picture.size
        # Pillow would decode a whole PNG to look for EXIF behind its pixels.
        behind = picture.format == "PNG" and "exif" not in picture.info
        if not behind and picture.getexif().get(_ORIENTATION) in _SIDEWAYS:
            width, height = height, width
        return Header((height, width), picture.mode in _GRAY)


def upright(path: Path, source: Source, gray: bool) -> Any:
    """The picture as a person sees it: turned as EXIF says, on white, 8 bits.

    Args:
      path: for errors.
      source: its bytes.
      gray: as "L"; else as "RGB".
    """
    from PIL import Image, ImageOps

    with _open(path, source) as opened:
        opened.load()
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I"):
        picture = _eight_bits(picture)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    return picture.convert("L" if gray else "RGB")


def _eight_bits(picture: Any) -> Any:
    """16-bit gray scaled to 8 bits; Pillow's own conversion clips at 255."""
    from PIL import Image

    levels = np.asarray(picture).astype(np.uint32)
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))
