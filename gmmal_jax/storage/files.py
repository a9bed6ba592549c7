"""Files that are either whole or not there: atomic writes, checksums, a lock."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from gmmal_jax.errors import UserError

LOCK_NAME = ".lock"


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file so that a crash leaves the old content or the new, never a part.

    Args:
      path: the file; missing parent folders are made.
      data: the whole content; text is written as UTF-8, and bytes of names of files
        that are none as they are.

    Raises:
      OSError: with the file's name, also where the system gives none (a full disk).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            file.write(_bytes(data) if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # a disk that has become read-only
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename, error.filename2 = str(path), None
        raise
    sync(path.parent)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def readable(text: str) -> str:
    """A text that any reader of UTF-8 takes: other bytes of names are escaped."""
    return _bytes(text).decode(errors="backslashreplace")


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(body: Any) -> str:
    """JSON text that carries the SHA-256 of its own body.

    Equal bodies give equal text. A NumPy scalar of lower precision is written with
    the fewest digits that give it back, so float32 0.1 becomes 0.1. NaN and the
    infinities are written as Python's json module does.

    Args:
      body: nested dicts, lists, strings, numbers and NumPy or JAX scalars.
    """
    text = _canonical(body)
    return f'{{"sha256": "{_digest(text)}",\n"body": {text}}}\n'


def unseal(text: bytes | str) -> Any:
    """The body that `seal` wrote.

    Raises:
      ValueError: the text is damaged.
    """
    outer = json.loads(text)
    if not isinstance(outer, dict) or set(outer) != {"sha256", "body"}:
        raise ValueError("it is not a sealed file")
    if _digest(_canonical(outer["body"])) != outer["sha256"]:
        raise ValueError("its checksum does not match")
    return outer["body"]


@contextlib.contextmanager
def lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Hold a folder for one process; the kernel lets go of it even on kill -9.

    Args:
      folder: made if it is missing, so that a place that cannot be written to is
        found before any work is done. Folders made for a caller that fails before it
        writes anything are removed again.

    Raises:
      UserError: another process holds the folder, it cannot be written to, or its
        file system has no locks.
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.ExitStack() as opened:
        _take(opened, folder, made)
        try:
            yield
        except BaseException:
            if [path.name for path in folder.iterdir()] == [LOCK_NAME]:
                (folder / LOCK_NAME).unlink()
                remove_empty(made)
            raise


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those folders that are empty, in this order."""
    for path in folders:
        with contextlib.suppress(OSError):
            path.rmdir()


def _take(opened: contextlib.ExitStack, folder: Path, made: list[Path]) -> None:
    """Lock a folder until its lock file is closed."""
    try:
        _flock(opened, folder, made)
    except BlockingIOError:
        raise UserError(
            "another process works in the folder",
            str(folder),
            "wait until it ends or stop it, or choose another folder with --out",
        ) from None
    except OSError as error:
        if made:  # by us, so nobody else waits for this file
            (folder / LOCK_NAME).unlink(missing_ok=True)
            remove_empty(made)
        raise UserError(
            f"cannot lock the file ({error.strerror})",
            str(folder / LOCK_NAME),
            "choose a folder on a disk that has locks with --out",
        ) from None


def _flock(opened: contextlib.ExitStack, folder: Path, made: list[Path]) -> None:
    exclusive = fcntl.LOCK_EX | fcntl.LOCK_NB
    # Not for writing: a disk that is to turn read-only must not wait for us.
    file = opened.enter_context(_open_lock(folder, made, os.O_RDONLY))
    try:
        fcntl.flock(file, exclusive)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        # NFS makes it a lock of bytes, and these want a file open for writing.
        file = opened.enter_context(_open_lock(folder, made, os.O_RDWR))
        fcntl.flock(file, exclusive)


def _open_lock(folder: Path, made: list[Path], access: int) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(folder / LOCK_NAME, access | os.O_CREAT, 0o666))
    except OSError as error:
        remove_empty(made)
        raise UserError(
            f"cannot write to the folder ({error.strerror})",
            str(folder),
            "choose another with --out",
        ) from None


def _canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), default=_plain)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> float | int | bool:
    scalar = np.asarray(value)[()]
    if isinstance(scalar, np.floating):
        return float(str(scalar))
    if not isinstance(scalar, np.generic):
        raise TypeError(f"{type(value).__name__} does not go into JSON")
    return scalar.item()
