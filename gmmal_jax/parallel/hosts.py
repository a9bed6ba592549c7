"""Several processes as one: who leads, what all of them are told, what they agree on.

Every process runs the same program on its share of the rows; the first one, which
leads, alone reads and writes the run's folder. All functions are collective: each
process must come to them in the same order. Alone, a process tells itself.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from gmmal_jax import devices
from gmmal_jax.errors import UserError
from gmmal_jax.types import PyTree

T = TypeVar("T")
HEARTBEAT_SECONDS = 60
"""After so long without a sign of life a process is taken for lost."""


class Cluster(NamedTuple):
    """How processes find each other; None: what the cluster's environment says.

    Attributes:
      coordinator: HOST:PORT of the process that leads.
      num_processes: in all.
      process: the number of this one, from 0; the first one leads.
      heartbeat_seconds: see `HEARTBEAT_SECONDS`.
    """

    coordinator: str | None = None
    num_processes: int | None = None
    process: int | None = None
    heartbeat_seconds: int = HEARTBEAT_SECONDS


def join(cluster: Cluster) -> None:
    """Find the other processes, before anything else is asked of JAX.

    Where one is lost the others end, too: JAX's runtime stops them.

    Raises:
      UserError: nothing says where they are, or they do not come.
    """
    # Its handler would take SIGTERM from ours.
    _update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.num_processes,
            cluster.process,
            heartbeat_timeout_seconds=cluster.heartbeat_seconds,
            shutdown_timeout_seconds=cluster.heartbeat_seconds,
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        remedy = "give --coordinator HOST:PORT, --processes and --process"
        raise UserError(f"--distributed: {reason}", None, remedy) from None


def _update(name: str, value: object) -> None:
    update: Callable[[str, object], None] = jax.config.update
    update(name, value)


def num() -> int:
    """How many processes there are.

    Raises:
      UserError: see `devices.local`.
    """
    devices.local()
    return int(jax.process_count())


def own() -> int:
    """The number of this one."""
    return int(jax.process_index())


def leads() -> bool:
    """Whether this is the one that reads and writes the run's folder."""
    return own() == 0


def from_lead(tree: PyTree) -> PyTree:
    """The first process's arrays, for all: the same bits.

    Args:
      tree: host arrays, of one structure, shapes and dtypes everywhere.

    Returns:
      The tree with NumPy leaves.
    """
    leaves, form = jax.tree.flatten(tree)
    arrays = [np.asarray(leaf) for leaf in leaves]
    if num() > 1 and arrays:
        # As bytes: a sum with the others' zeros would lose the sign of a zero.
        sent = _first_of([array.tobytes() for array in arrays])
        arrays = [
            np.frombuffer(text, array.dtype).reshape(array.shape).copy()
            for text, array in zip(sent, arrays, strict=True)
        ]
    return jax.tree.unflatten(form, arrays)


def changed_by_lead(before: PyTree, after: PyTree) -> PyTree:
    """A new state with the leaves that a host function made as the first one made them.

    Args:
      before: what it was given; a leaf that it handed on is alike everywhere.
      after: what it made of it.
    """
    if num() == 1:
        return after
    known = {id(leaf) for leaf in jax.tree.leaves(before)}
    leaves, form = jax.tree.flatten(after)
    fresh = [i for i, leaf in enumerate(leaves) if id(leaf) not in known]
    made = from_lead([jax.device_get(leaves[i]) for i in fresh])
    for i, leaf in zip(fresh, made, strict=True):
        leaves[i] = leaf
    return jax.tree.unflatten(form, leaves)


def told(make: Callable[[], T]) -> T:
    """What the first process finds, for all; JSON values, alone whatever it is.

    Args:
      make: called there alone.

    Raises:
      UserError: it raised it there.
    """
    if num() == 1:
        return make()
    found = together(lambda: make() if leads() else None)
    (text,) = _first_of([json.dumps(found).encode() if leads() else b""])
    value: T = json.loads(text)
    return value


def together(do: Callable[[], T]) -> T:
    """Do something in every process, or fail in all of them.

    Raises:
      UserError: this one's, or that another one failed.
    """
    if num() == 1:
        return do()
    error = result = None
    try:
        result = do()
    except UserError as raised:
        error = raised
    failed = np.flatnonzero(agreed([error is not None])[:, 0])
    if error is not None:
        raise error
    if failed.size:
        remedy = "see what it printed"
        raise UserError("another process could not go on", int(failed[0]), remedy)
    done: Any = result
    return done  # type: ignore[no-any-return]


def agreed(numbers: Sequence[int]) -> np.ndarray:
    """Some whole numbers of each process, int [processes, numbers]."""
    return gathered(np.asarray(numbers, np.int32))


def gathered(own: np.ndarray) -> np.ndarray:
    """Equal-sized arrays of the processes, stacked in their order."""
    if num() == 1:
        return own[None]
    from jax.experimental import multihost_utils

    everyone: Any = multihost_utils.process_allgather(own)
    return np.asarray(everyone)


def _first_of(texts: list[bytes]) -> list[bytes]:
    """The first process's bytes; the others give as many texts, of any length."""
    from jax.experimental import multihost_utils

    sizes = multihost_utils.broadcast_one_to_all(
        np.asarray([len(text) for text in texts], np.int32)
    )
    total = int(np.sum(sizes))
    whole = np.frombuffer(b"".join(texts), np.uint8) if leads() else np.zeros(total)
    sent = multihost_utils.broadcast_one_to_all(whole.astype(np.uint8))
    ends = np.cumsum(sizes)
    parts = np.split(np.asarray(sent, np.uint8), ends[:-1])
    return [part.tobytes() for part in parts]
