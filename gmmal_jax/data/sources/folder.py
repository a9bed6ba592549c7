"""Pictures in folders, one a class."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gmmal_jax.data.sources import cut, decode, pictures
from gmmal_jax.data.sources.arrays import Arrays, require_distinct
from gmmal_jax.errors import UserError

PARTS = ("train", "test")
SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
"""Names of parts; where all folders are called so, they are no classes."""
# What file managers, archives, notebooks and network drives leave behind.
_CLUTTER = {
    "thumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "$recycle.bin",
    "system volume information", "lost+found", "__pycache__",
}  # fmt: skip


def read(
    path: Path, image_size: int | None, empty: pictures.Empty = pictures.in_memory
) -> Arrays:
    """Read a folder of class folders, or of train/ and test/ with class folders each.

    Classes are sorted by name, pictures of a class by file name. Without a test part
    `cut.test_part` makes one.

    Raises:
      UserError: no such folder, no classes, classes without pictures, or classes that
        only one part has; what `pictures.read` raises.
    """
    if not path.is_dir():
        raise UserError("--dataset: no such folder", str(path), "check the path")
    skipped: list[tuple[str, str]] = []
    if (path / "train").is_dir() and _folders(path / "train"):
        names = _parted(path, skipped)
        train, test = (_rows(path / part, names, skipped) for part in PARTS)
        parts = (train, test, names, image_size, skipped)
        return pictures.read(str(path), *parts, empty=empty)
    names = _classes(path, skipped)
    if {name.casefold() for name in names} <= SPLITS:
        seen = " and ".join(f"{name}/" for name in names)
        remedy = "give train/CLASS/... and test/CLASS/..., or CLASS/... alone"
        raise UserError(f"{path}: no class folders in {seen}", None, remedy)
    rows = _rows(path, names, skipped)

    def chosen(rows: Sequence[pictures.Row]) -> np.ndarray:
        labels = [row.label for row in rows]
        return cut.test_part(str(path), labels, [None] * len(rows), names)

    uncut = (rows, chosen, names, image_size, skipped)
    return pictures.read_uncut(str(path), *uncut, empty=empty)


def _parted(path: Path, skipped: list[tuple[str, str]]) -> list[str]:
    """Class names of a folder with train/ and test/."""
    other = [name for name in _classes(path, skipped) if name not in PARTS]
    if other:
        remedy = "move it elsewhere: only train/ and test/ are read"
        raise UserError(f"{path}: a folder beside train/", other[0], remedy)
    if not (path / "test").is_dir():
        remedy = f"add it, or name {path / 'train'}: a test part is then cut from it"
        raise UserError(f"{path}: train/ without test/", None, remedy)
    train, test = (_classes(path / part, skipped) for part in PARTS)
    require_distinct(str(path), {name: f"{name}/" for name in [*train, *test]})
    for part, names, others in (("train", train, test), ("test", test, train)):
        lacking = sorted(set(others) - set(names))
        if lacking:
            remedy = "train/ and test/ need the same class folders"
            raise UserError(f"{path / part}: no folder of class", lacking[0], remedy)
    return train


def _classes(path: Path, skipped: list[tuple[str, str]]) -> list[str]:
    names = _folders(path)
    skipped += [
        (str(p), "not in a class folder")
        for p in path.iterdir()
        if p.is_file() and p.suffix.lower() in decode.SUFFIXES
    ]
    if not names:
        remedy = "put the pictures of each class into a folder of its own"
        raise UserError(f"{path}: holds no class folders", None, remedy)
    require_distinct(str(path), {name: f"{name}/" for name in names})
    return names


def _folders(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.is_dir() and not is_clutter(p))


def is_clutter(path: Path) -> bool:
    """Hidden, or what is left behind in folders and no class or picture of them."""
    return path.name[0] == "." or path.name.lower() in _CLUTTER


def _rows(
    path: Path, names: list[str], skipped: list[tuple[str, str]]
) -> list[pictures.Row]:
    rows = []
    for label, name in enumerate(names):
        found = list(_pictures(path / name, skipped))
        if not found:
            remedy = "put PNG or JPEG files into it, or remove it"
            folder = str(path / name)
            raise UserError("a class folder without pictures", folder, remedy)
        rows += [pictures.Row(file, label) for file in found]
    return rows


def _pictures(folder: Path, skipped: list[tuple[str, str]]) -> Iterator[Path]:
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if is_clutter(file):
            continue
        if file.is_dir():
            skipped.append((str(file), "a folder inside a class folder"))
        elif file.suffix.lower() in decode.SUFFIXES:
            yield file
        else:
            skipped.append((str(file), f"not named {', '.join(decode.SUFFIXES)}"))
