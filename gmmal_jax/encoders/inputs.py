"""What is to be embedded: a folder, a manifest, or arrays, listed before any is read.

The list takes some 260 bytes of memory a picture; pictures are read batch by batch.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gmmal_jax.data.sources import decode, folder, manifest
from gmmal_jax.encoders import npz_stream
from gmmal_jax.encoders.preprocess import Batch
from gmmal_jax.errors import UserError

OPTION = "--images"


class Inputs(NamedTuple):
    """Pictures in their order.

    Attributes:
      source: absolute path of the folder or file.
      ids: [n]; a picture's path within the folder, or the number of its row.
      labels: [n], "" where it is not known; None: the source has none.
      skipped: (path, reason) of what is no picture by its name.
      fingerprint: sha256 of names, sizes, times and labels.
      batches: (first batch, pictures a batch) -> the batches from there on.
    """

    source: str
    ids: list[str]
    labels: list[str] | None
    skipped: list[tuple[str, str]]
    fingerprint: str
    batches: Callable[[int, int], Iterator[Batch]]


def find(text: str, own: Iterable[Path] = ()) -> Inputs:
    """List what a path means: a folder, a .csv or .jsonl manifest, an .npz file.

    Args:
      text: the path.
      own: files of ours, which may lie below a folder and come and go as we work.

    Raises:
      UserError: nothing there, or no picture in it.
    """
    path = Path(text).expanduser().absolute()
    try:
        if path.is_dir():
            return _of_folder(path, own)
        if not path.is_file():
            raise UserError(f"{OPTION}: no such folder or file", text, "check the path")
        if path.suffix.lower() == ".npz":
            return _of_npz(path)
        if path.suffix.lower() in (".csv", ".jsonl"):
            return _of_manifest(path)
    except OSError as error:
        where = str(error.filename or path)
        remedy = "check the path and the right to read it"
        raise UserError(f"{OPTION}: {error.strerror or error}", where, remedy) from None
    remedy = "give a folder, a .csv or .jsonl manifest, or an .npz file"
    raise UserError(OPTION, text, remedy)


def _of_folder(path: Path, own: Iterable[Path]) -> Inputs:
    skipped: list[tuple[str, str]] = []
    ids = list(_walk(path, "", (), skipped))
    skipped = _of_others(skipped, own)
    return _of_files(path, path, ids, _class_folders(ids), skipped)


def _of_others(
    skipped: list[tuple[str, str]], own: Iterable[Path]
) -> list[tuple[str, str]]:
    """Without our files, which would make the folder another one as we work."""
    ours = {path.parent.resolve() / path.name for path in own}
    # By name first: most of a long list need not be looked up on the disk.
    names = {path.name for path in ours}

    def is_ours(path: Path) -> bool:
        return path.name in names and path.parent.resolve() / path.name in ours

    return [each for each in skipped if not is_ours(Path(each[0]))]


def _of_manifest(path: Path) -> Inputs:
    skipped: list[tuple[str, str]] = []
    ids, labels = [], []
    for line in manifest.read_lines(path, manifest.PATHS, OPTION):
        inside = line.path.is_relative_to(path.parent)
        place = line.path.relative_to(path.parent) if inside else line.path
        if _fits_a_line(place.as_posix(), line.path, skipped):
            ids.append(place.as_posix())
            labels.append(line.label)
    return _of_files(path, path.parent, ids, labels if any(labels) else None, skipped)


def _of_files(
    source: Path,
    root: Path,
    ids: list[str],
    labels: list[str] | None,
    skipped: list[tuple[str, str]],
) -> Inputs:
    if not ids:
        remedy = f"put pictures there, named {', '.join(decode.SUFFIXES)}"
        raise UserError(f"{OPTION}: no pictures in", str(source), remedy)

    def batches(first: int, size: int) -> Iterator[Batch]:
        for start in range(first * size, len(ids), size):
            yield [root / name for name in ids[start : start + size]]

    digest = hashlib.sha256()
    for number, name in enumerate(ids):
        label = labels[number] if labels else ""
        digest.update(f"{name}\0{_stamp(root / name)}\0{label}\n".encode())
    for path, reason in skipped:
        digest.update(f"{path}\0{reason}\n".encode())
    fingerprint = digest.hexdigest()
    return Inputs(str(source), ids, labels, sorted(skipped), fingerprint, batches)


def _of_npz(path: Path) -> Inputs:
    rows = npz_stream.find(path)
    digest = hashlib.sha256(_stamp(path).encode()).hexdigest()
    ids = list(map(str, range(rows.num)))
    return Inputs(str(path), ids, rows.labels, [], digest, rows.batches)


def _stamp(path: Path) -> str:
    """Size and time of change; empty where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} {found.st_mtime_ns}"


def _walk(
    root: Path,
    prefix: str,
    above: tuple[tuple[int, int], ...],
    skipped: list[tuple[str, str]],
) -> Iterator[str]:
    """Paths within the folder of all pictures below it, sorted by their parts."""
    found = root.stat()
    node = (found.st_dev, found.st_ino)
    if node in above:
        skipped.append((_shown(root), "a link to a folder above it"))
        return
    for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
        path = root / entry.name
        if folder.is_clutter(path):
            continue
        if entry.is_dir():
            yield from _walk(path, f"{prefix}{entry.name}/", (*above, node), skipped)
        elif path.suffix.lower() not in decode.SUFFIXES:
            named = f"not named {', '.join(decode.SUFFIXES)}"
            skipped.append((_shown(path), named))
        elif _fits_a_line(f"{prefix}{entry.name}", path, skipped):
            yield f"{prefix}{entry.name}"


def _fits_a_line(name: str, path: Path, skipped: list[tuple[str, str]]) -> bool:
    """Whether a name can be an id, a line of a text file in UTF-8."""
    try:
        name.encode()
        well = name.splitlines() == [name]
    except UnicodeEncodeError:
        well = False
    if not well:
        skipped.append((_shown(path), "a name that is no line of text"))
    return well


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _class_folders(ids: list[str]) -> list[str] | None:
    """Labels where pictures lie in class folders, as `folder:` has them; else None.

    That is CLASS/FILE, or train/CLASS/FILE and test/CLASS/FILE. Pictures beside the
    class folders have no label. Deeper trees are no classes.
    """
    parts = [name.split("/")[:-1] for name in ids]
    if all(each[0] in folder.PARTS for each in parts if each) and any(
        len(each) == 2 for each in parts
    ):
        parts = [each[1:] for each in parts]
    if any(len(each) > 1 for each in parts):
        return None
    labels = ["".join(each) for each in parts]
    names = {label.casefold() for label in labels} - {""}
    return labels if len(names) > 1 and not names <= folder.SPLITS else None
