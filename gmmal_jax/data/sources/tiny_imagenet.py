"""TinyImageNet as published: 200 classes, 64x64 JPEGs; its val part is the test part.

Some pictures are gray; they get three channels like the others. The published test
part has no labels and is not read.
"""

from pathlib import Path

from gmmal_jax.data.sources import pictures
from gmmal_jax.data.sources.arrays import Arrays
from gmmal_jax.errors import UserError

_LAYOUT = "give the unpacked tiny-imagenet-200, with train/, val/ and wnids.txt"


def read(
    path: Path, image_size: int | None, empty: pictures.Empty = pictures.in_memory
) -> Arrays:
    """Read DIR/train/WNID/images/*.JPEG, DIR/val/images and val_annotations.txt.

    Classes are sorted by WordNet id, pictures of a class by file name, those of val
    as in val_annotations.txt.

    Raises:
      UserError: a part of the layout is missing; what `pictures.read` raises.
    """
    wnids = sorted(_lines(path / "wnids.txt"))
    if not wnids:
        raise UserError(f"{path / 'wnids.txt'}: is empty", None, _LAYOUT)
    index = {wnid: label for label, wnid in enumerate(wnids)}
    train = []
    for wnid, label in index.items():
        folder = path / "train" / wnid / "images"
        found = sorted(folder.glob("*.JPEG"), key=lambda file: file.name)
        if not found:
            raise UserError("no training pictures in", str(folder), _LAYOUT)
        train += [pictures.Row(file, label) for file in found]
    test = _validation(path / "val", index)
    names = _names(path, wnids)
    rows = (train, test, names, image_size)
    return pictures.read(str(path), *rows, channels=3, empty=empty)


def _validation(path: Path, index: dict[str, int]) -> list[pictures.Row]:
    listed = path / "val_annotations.txt"
    rows = []
    for number, line in enumerate(_lines(listed), 1):
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        if wnid not in index:
            remedy = "each line is a file, a WordNet id of wnids.txt and a box, by tabs"
            raise UserError(f"{listed}: line {number}", line[:60], remedy)
        rows.append(pictures.Row(path / "images" / name, index[wnid]))
    return rows


def _names(path: Path, wnids: list[str]) -> list[str]:
    """What words.txt calls the classes, its first word for each."""
    lines = [line.partition("\t") for line in _lines(path / "words.txt")]
    words = {wnid: text.split(",")[0] for wnid, _, text in lines}
    return [words.get(wnid, wnid) for wnid in wnids]


def _lines(path: Path) -> list[str]:
    if path.exists() and not path.is_file():
        raise UserError("--dataset: no regular file", str(path), _LAYOUT)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--dataset: {reason}", str(path), _LAYOUT) from None
    return [line for line in text.splitlines() if line.strip()]
