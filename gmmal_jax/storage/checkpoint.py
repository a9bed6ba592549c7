"""Training state on disk: Orbax writes it, a manifest of ours proves it whole.

Orbax gives back flipped bytes without a word and trusts a folder by its name. So each
checkpoint carries the SHA-256 of all its files, checked before Orbax reads, and
appears under its name by one rename, when everything is on the disk.
"""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.parallel import hosts
from gmmal_jax.storage import files
from gmmal_jax.types import PyTree, struct

MANIFEST = "manifest.json"
_STATE = "state"
_UNFINISHED = ".tmp-"
_ROOM = 2**20
"""Bytes that must be free beside a state's own: for what describes it."""


class Restored(NamedTuple):
    """What `restore_latest_good` found.

    Attributes:
      state: the tree with host arrays as leaves; None where no checkpoint is good.
      meta: the JSON values saved with it (tuples have become lists); {} without one.
      warnings: one line for each newer checkpoint that could not be used.
    """

    state: PyTree | None
    meta: dict[str, Any]
    warnings: list[str]


def require_path(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that no checkpoint can be written into, before any work is done.

    Args:
      folder: above those of checkpoints.

    Raises:
      UserError: its absolute path is not UTF-8, which the files' writer needs.
    """
    path = str(Path(folder).absolute())
    try:
        path.encode()
    except UnicodeEncodeError:
        remedy = "choose another, or another name of a folder above it"
        raise UserError("--out: a path that is not UTF-8", path, remedy) from None


def save(
    folder: str | os.PathLike[str],
    name: str,
    state: PyTree,
    meta: dict[str, Any],
    *,
    keep: int = 2,
) -> Path:
    """Save a state and wait until it is on the disk; a kill leaves all or nothing.

    Args:
      folder: holds the checkpoints of one training; made if missing.
      name: what the checkpoint is called. The integers in it, read from the left,
        are its place in time: `phase-1-step-300` comes before `phase-1-step-1000`
        and before `phase-2-step-0`. One of the same name is replaced, and later
        ones, which restoring must have refused, are removed.
      state: arrays (keys as their uint32 data) in dicts, tuples and NamedTuples;
        None and empty subtrees are allowed, arrays without entries are not.
      meta: JSON values.
      keep: how many of the newest remain, this one included.

    Returns:
      The checkpoint's folder.

    Raises:
      UserError: the disk is full; earlier checkpoints are untouched.
    """
    if not _order(name):
        raise ValueError(f"checkpoint name {name!r} holds no number to sort by")
    folder = Path(folder).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    unfinished = folder / f"{name}{_UNFINISHED}{os.getpid()}"
    try:
        _fill(unfinished, _host(state), meta)
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if _disk_is_full(error):
            remedy = "free some space, then `gmmal resume`"
            raise UserError("no space left on the disk", str(folder), remedy) from None
        raise
    _commit(unfinished, folder / name)
    _prune(folder, name, keep)
    return folder / name


def restore_latest_good(
    folder: str | os.PathLike[str],
    abstract: PyTree,
    wanted: Mapping[str, Any] | None = None,
) -> Restored:
    """Read the newest checkpoint whose files are all as they were written.

    Args:
      folder: as for `save`; it may be missing or empty.
      abstract: a tree of the state's form whose leaves have a shape and a dtype.
      wanted: values that its meta must have; whatever has others, or none, is passed
        over as if it were damaged. None: it may have any.

    Returns:
      The state on the host, for the caller to place, with its meta and the warnings.

    Raises:
      UserError: a good checkpoint has another form than `abstract`.
    """
    warnings: list[str] = []
    for path in _newest_first(Path(folder).absolute()):
        try:
            manifest = _verify(path)
            _require_meta(manifest["meta"], wanted or {})
        except (OSError, ValueError) as error:
            warnings.append(f"checkpoint {path} is not used: {error}")
            continue
        _require_fit(path, manifest["leaves"], abstract)
        state = _read_state(path / _STATE, abstract)
        return Restored(state, manifest["meta"], warnings)
    return Restored(None, {}, warnings)


def clear(folder: str | os.PathLike[str]) -> None:
    """Remove all checkpoints, finished or not."""
    folder = Path(folder).absolute()
    for path in _newest_first(folder):
        _discard(path)
    _remove_leftovers(folder)


def _fill(unfinished: Path, state: PyTree, meta: dict[str, Any]) -> None:
    unfinished.mkdir()
    _require_room(unfinished, state)
    _write_state(unfinished / _STATE, state)
    manifest = {
        "meta": meta,
        "leaves": _describe(state),
        "files": {
            name: files.checksum(unfinished / name) for name in _list(unfinished)
        },
    }
    for path in (unfinished, *unfinished.rglob("*")):
        files.sync(path)
    files.write_atomic(unfinished / MANIFEST, files.seal(manifest))


def _require_room(folder: Path, state: PyTree) -> None:
    """Find out before Orbax does, whose threads would each print a trace."""
    wanted = _ROOM + sum(leaf.nbytes for leaf in jax.tree.leaves(state))
    disk = os.statvfs(folder)
    known = disk.f_blocks > 0  # some network drives do not say
    if known and disk.f_bavail * disk.f_frsize < wanted:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_state(path: Path, state: PyTree) -> None:
    with _checkpointer() as (ocp, checkpointer):
        checkpointer.save(path, args=ocp.args.StandardSave(state))


def _read_state(path: Path, abstract: PyTree) -> PyTree:
    # Without a sharding Orbax gives NumPy arrays, whatever devices wrote them.
    plain = jax.tree.map(lambda x: struct(x.shape, x.dtype), abstract)
    with _checkpointer() as (ocp, checkpointer):
        return checkpointer.restore(path, args=ocp.args.StandardRestore(plain))


@contextlib.contextmanager
def _checkpointer() -> Iterator[tuple[Any, Any]]:
    """Orbax, and one that waits for no other process: the first one saves alone."""
    # Imported here: only runs that save pay Orbax's import.
    import orbax.checkpoint as ocp

    options = ocp.options.MultiprocessingOptions()
    if hosts.num() > 1:
        options = ocp.options.MultiprocessingOptions(
            primary_host=0, active_processes={0}, barrier_sync_key_prefix="lead"
        )
    handler = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    with ocp.Checkpointer(handler, multiprocessing_options=options) as checkpointer:
        yield ocp, checkpointer


def _commit(unfinished: Path, target: Path) -> None:
    if target.exists():  # a rename cannot replace a folder that is not empty
        _discard(target)
    os.replace(unfinished, target)
    files.sync(target.parent)


def _prune(folder: Path, name: str, keep: int) -> None:
    newest_first = _newest_first(folder)
    newest = newest_first.index(folder / name)
    for path in newest_first[:newest] + newest_first[newest + keep :]:
        _discard(path)


def _discard(path: Path) -> None:
    """Remove a checkpoint; half removed, it must not look like a damaged one."""
    aside = path.with_name(f"{path.name}{_UNFINISHED}old")
    os.replace(path, aside)
    shutil.rmtree(aside)


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(f"*{_UNFINISHED}*"):
        shutil.rmtree(path)


def _newest_first(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.glob("*")
        if path.is_dir() and _UNFINISHED not in path.name and _order(path.name)
    ]
    return sorted(found, key=lambda path: (_order(path.name), path.name), reverse=True)


def _order(name: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", name))


def _list(path: Path) -> list[str]:
    """Relative names of all files but the manifest."""
    found = (p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return sorted(name for name in found if name != MANIFEST)


def _verify(path: Path) -> dict[str, Any]:
    """The manifest of a whole checkpoint; ValueError or OSError names the bad file."""
    try:
        manifest: dict[str, Any] = files.unseal((path / MANIFEST).read_bytes())
    except ValueError as error:
        raise ValueError(f"{MANIFEST}: {error}") from None
    present = _list(path)
    for name in sorted({*present, *manifest["files"]}):
        if name not in present:
            raise ValueError(f"{name} is missing")
        if name not in manifest["files"]:
            raise ValueError(f"{name} was not saved with it")
        if files.checksum(path / name) != manifest["files"][name]:
            raise ValueError(f"{name}: its checksum does not match")
    return manifest


def _require_meta(meta: dict[str, Any], wanted: Mapping[str, Any]) -> None:
    """ValueError names the first value that is another one."""
    for name, value in wanted.items():
        if name not in meta:
            raise ValueError(f"it does not say of which {name} it is")
        if meta[name] != value:
            raise ValueError(f"it is of other {name}")


def _host(state: PyTree) -> PyTree:
    return jax.tree.map(np.asarray, jax.device_get(state))


def _describe(tree: PyTree) -> list[list[Any]]:
    """Path, shape and dtype of every leaf, as JSON gives them back."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [
        [jax.tree_util.keystr(path), list(leaf.shape), str(leaf.dtype)]
        for path, leaf in leaves
    ]


def _require_fit(path: Path, saved: list[list[Any]], abstract: PyTree) -> None:
    wanted = _describe(abstract)
    if saved != wanted:
        differing = [leaf for leaf in wanted if leaf not in saved]
        differing += [leaf for leaf in saved if leaf not in wanted]
        name = "".join(leaf[0] for leaf in differing[:1])
        raise UserError(
            f"checkpoint has another form than this training's state (at {name})",
            str(path),
            "resume with the version and options that wrote it, or delete it",
        )


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "RESOURCE_EXHAUSTED" in str(error)  # Orbax's, as a ValueError
