"""Pictures decoded ahead by other processes, a bounded number of batches."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import resource_tracker

from gmmal_jax.encoders import preprocess
from gmmal_jax.encoders.base import Form
from gmmal_jax.encoders.preprocess import Batch, Decoded

MORE = 2
"""Batches in flight beyond one a process: so that none waits for work."""


def decoded(
    batches: Iterable[Batch], form: Form, workers: int
) -> Generator[Decoded, None, None]:
    """The batches in their order; at most workers + `MORE` of them are held at once.

    Args:
      batches: taken one by one as others are handed on.
      form: of the encoder.
      workers: processes that decode.

    Raises:
      BrokenProcessPool: one of the processes was killed.
    """
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_begin
    )
    pending: deque[Future[Decoded]] = deque()
    try:
        for batch in batches:
            with _unheard():
                pending.append(pool.submit(preprocess.read, batch, form))
            if len(pending) == workers + MORE:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _unheard() -> Iterator[None]:
    """Processes that begin here never hear Ctrl-C or SIGHUP: we do, and end them."""
    resource_tracker.ensure_running()  # unblocks them where it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """Make a process end with the one that started it, even on kill -9."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
